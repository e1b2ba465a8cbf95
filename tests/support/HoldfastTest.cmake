# How tests are registered. Every test has a label (its folder), a timeout, and the helper of this build.

# What mpirun is told to let a job live when one of its processes dies: Open MPI 4 and 5 have different options.
include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_LIBRARIES MPI::MPI_C)
check_c_source_compiles("#include <mpi.h>
int main(void) { return sizeof(char[OMPI_MAJOR_VERSION >= 5 ? 1 : -1]) == 0; }" HOLDFAST_OPEN_MPI_5)
unset(CMAKE_REQUIRED_LIBRARIES)
set(holdfast_outliving --enable-recovery)
if(HOLDFAST_OPEN_MPI_5)
  set(holdfast_outliving --with-ft ulfm)
endif()

set(holdfast_test_environment
  HOLDFAST_HELPER=$<TARGET_FILE:holdfast-helper>
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
  OMPI_MCA_plm_rsh_agent=/bin/true PRTE_MCA_plm_ssh_agent=/bin/true # everything runs on this machine, maybe without ssh
  OMPI_MCA_reachable=weighted # docs/decisions/0016-open-mpi-5.md
  EVENT_NOEPOLL=1 # a race in Open MPI 4.1.4 holds a spawn for ever now and then: docs/decisions/0002-spawn.md
  ASAN_OPTIONS=fast_unwind_on_malloc=0:quarantine_size_mb=8
  LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/lsan.supp
  "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp halt_on_error=1 ignore_noninstrumented_modules=1")
# The thread sanitizer and UCX both put themselves in front of mmap, which ends in a crash.
if(HOLDFAST_SANITIZE MATCHES thread)
  list(APPEND holdfast_test_environment UCX_MEM_MMAP_HOOK_MODE=none UCX_MEM_EVENTS=no)
endif()
# Sanitizers make programs several times slower.
set(holdfast_patience 1)
if(HOLDFAST_SANITIZE)
  set(holdfast_patience 5)
endif()
# mostly_wait(test …): tests that another one may run beside.
function(mostly_wait)
  set_tests_properties(${ARGN} PROPERTIES PROCESSORS 1)
endfunction()

# set_timeout(test seconds): more where programs are slower.
function(set_timeout test seconds)
  math(EXPR timeout "${seconds} * ${holdfast_patience}")
  set_tests_properties(${test} PROPERTIES TIMEOUT ${timeout})
endfunction()
set(holdfast_slurm_environment
  HOLDFAST_CLUSTER=${PROJECT_SOURCE_DIR}/tests/slurm/cluster
  HOLDFAST_CLUSTER_DIR=${PROJECT_BINARY_DIR}/slurm-cluster
  HOLDFAST_BIN=${PROJECT_BINARY_DIR}/bin)

# unit_test(name sources…): one GoogleTest program without MPI, one ctest entry.
function(unit_test name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE holdfast_flags holdfast_core holdfast_test_support GTest::gmock GTest::gtest_main)
  target_precompile_headers(${name} REUSE_FROM holdfast_mpi_main)
  add_test(NAME unit.${name} COMMAND ${name})
  set_tests_properties(unit.${name} PROPERTIES LABELS unit ENVIRONMENT "${holdfast_test_environment}")
  set_timeout(unit.${name} 120)
endfunction()

# gpu_test_properties(test timeout): what every test that needs a GPU has. Its command starts with ${holdfast_with_gpu}, so that it
# is skipped, never passed, where there is none.
set(holdfast_with_gpu ${PROJECT_SOURCE_DIR}/tests/support/with_gpu $<TARGET_FILE:gpu_present>)
function(gpu_test_properties test timeout)
  set_tests_properties(${test} PROPERTIES LABELS gpu TIMEOUT ${timeout} RESOURCE_LOCK gpu SKIP_RETURN_CODE 77
                       ENVIRONMENT "${holdfast_test_environment}")
endfunction()

# gpu_test(name sources…): one GoogleTest program without MPI that needs a GPU.
function(gpu_test name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE holdfast_flags holdfast_core holdfast_gpu GTest::gmock GTest::gtest_main)
  add_dependencies(${name} gpu_present)
  add_test(NAME gpu.${name} COMMAND ${holdfast_with_gpu} $<TARGET_FILE:${name}>)
  gpu_test_properties(gpu.${name} 300)
endfunction()

# mpi_program(name sources…): one GoogleTest program whose ranks run every test; one failed rank fails all.
function(mpi_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE holdfast_flags holdfast_core holdfast_test_support holdfast_mpi_main GTest::gmock GTest::gtest)
  target_precompile_headers(${name} REUSE_FROM holdfast_mpi_main)
endfunction()

# A locale with a decimal comma and groups of digits, made for the tests, as a machine may have none.
find_program(HOLDFAST_LOCALEDEF localedef)
set(holdfast_locale de_DE.UTF-8)
set(holdfast_locale_directory ${PROJECT_BINARY_DIR}/tests/locale)
if(HOLDFAST_LOCALEDEF AND NOT EXISTS ${holdfast_locale_directory}/${holdfast_locale})
  file(MAKE_DIRECTORY ${holdfast_locale_directory})
  execute_process(COMMAND ${HOLDFAST_LOCALEDEF} -i de_DE -f UTF-8 ${holdfast_locale_directory}/${holdfast_locale} OUTPUT_QUIET ERROR_QUIET)
endif()
# Without it, C++'s half alone, and a test that is skipped says so.
set(holdfast_locale_environment LOCPATH=${holdfast_locale_directory} HOLDFAST_TEST_LOCALE=${holdfast_locale})
if(NOT EXISTS ${holdfast_locale_directory}/${holdfast_locale})
  message(STATUS "No tests under a locale of C's with a decimal comma: localedef has no de_DE (Debian: locales)")
  set(holdfast_locale_environment HOLDFAST_TEST_LOCALE=C)
endif()
add_test(NAME mpi.locale COMMAND sh -c "test -e ${holdfast_locale_directory}/${holdfast_locale} || exit 77")
set_tests_properties(mpi.locale PROPERTIES LABELS mpi TIMEOUT 10 SKIP_RETURN_CODE 77)

# mpi_test(name RANKS 1 2 4 [SOURCES …] [LABEL mpi] [TIMEOUT seconds] [MPIRUN option …] [ARGS …]): an mpi_program (source name.cpp
# unless given) that is run under mpirun once per number of ranks; with the label mpi, the first of these runs is under a locale with
# a decimal comma.
function(mpi_test name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT" "RANKS;SOURCES;MPIRUN;ARGS" ${ARGN})
  if(NOT arg_SOURCES)
    set(arg_SOURCES ${name}.cpp)
  endif()
  if(NOT arg_LABEL)
    set(arg_LABEL mpi)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  mpi_program(${name} ${arg_SOURCES})
  foreach(ranks ${arg_RANKS})
    set(test ${arg_LABEL}.${name}.${ranks})
    add_test(NAME ${test}
             COMMAND ${MPIEXEC_EXECUTABLE} --oversubscribe ${arg_MPIRUN} ${MPIEXEC_NUMPROC_FLAG} ${ranks} $<TARGET_FILE:${name}> ${arg_ARGS})
    set_tests_properties(${test} PROPERTIES LABELS ${arg_LABEL} PROCESSORS 2 ENVIRONMENT "${holdfast_test_environment}")
    set_timeout(${test} ${arg_TIMEOUT})
  endforeach()
  list(GET arg_RANKS 0 first)
  if(arg_LABEL STREQUAL mpi)
    set_property(TEST mpi.${name}.${first} APPEND PROPERTY ENVIRONMENT ${holdfast_locale_environment})
  endif()
endfunction()

# slurm_test(script [NAME name] [TIMEOUT seconds] [ARGS …]): one script of the current folder, run as root on a Slurm cluster of two
# nodes that all such tests share: the fixture slurm_cluster (tests/slurm). Skipped, never passed, where no cluster can be had.
# The script finds the cluster's script in HOLDFAST_CLUSTER, its directory in HOLDFAST_CLUSTER_DIR, our programs in HOLDFAST_BIN.
function(slurm_test script)
  cmake_parse_arguments(arg "" "NAME;TIMEOUT" "ARGS" ${ARGN})
  if(NOT arg_NAME)
    set(arg_NAME ${script})
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 180)
  endif()
  add_test(NAME slurm.${arg_NAME}
           COMMAND ${PROJECT_SOURCE_DIR}/tests/slurm/on_shared_cluster ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${arg_ARGS})
  slurm_test_properties(slurm.${arg_NAME} ${arg_TIMEOUT} FIXTURES_REQUIRED slurm_cluster)
endfunction()

# slurm_test_properties(test timeout [property value …]): what every test about Slurm has. They go one by one, and mostly wait, so
# they start first and others run beside them.
function(slurm_test_properties test timeout)
  set_tests_properties(${test} PROPERTIES LABELS slurm TIMEOUT ${timeout} PROCESSORS 1 COST 1000 RESOURCE_LOCK slurm SKIP_RETURN_CODE 77
    ENVIRONMENT "${holdfast_test_environment};${holdfast_slurm_environment}" ${ARGN})
endfunction()
