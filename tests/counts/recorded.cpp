#include "recorded.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

namespace holdfast::test {
namespace {

struct Record {
  std::string relation;  ///< "=" or "<="
  double value = 0;
};

std::map<std::string, Record> read_records() {
  std::map<std::string, Record> records;
  std::ifstream file(HOLDFAST_RECORDED_COUNTS);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string name;
    Record record;
    if (words >> name >> record.relation >> record.value) records[name] = record;
  }
  return records;
}

}  // namespace

void expect_recorded(const std::string& name, double counted) {
  static const std::map<std::string, Record> records = read_records();
  const auto found = records.find(name);
  ASSERT_NE(found, records.end()) << HOLDFAST_RECORDED_COUNTS << " has no line for " << name
                                  << "; counted: " << counted;
  const auto& [relation, value] = found->second;
  ASSERT_TRUE(relation == "=" || relation == "<=") << name << " " << relation;
  EXPECT_TRUE(relation == "=" ? counted == value : counted <= value)
      << name << ": counted " << counted << ", recorded " << relation << " " << value << " in "
      << HOLDFAST_RECORDED_COUNTS << ".\nA save has become " << (counted > value ? "dearer" : "cheaper")
      << ". If that is meant, write the new value there and say in the commit what it is for.";
}

}  // namespace holdfast::test
