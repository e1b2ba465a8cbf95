#!/usr/bin/env bash
# A real disk in a file that goes bad during a save: bad_disk.sh KIND MPIEXEC PROGRAM HOLDFAST
#   shut   ext4 that meets an error and shuts itself to writes, as mounted with errors=remount-ro
#   quota  btrfs whose quota of 4 MiB is spent
# Exits 77 (skipped) where it cannot be had.
set -euo pipefail
kind=$1 mpiexec=$2 program=$3 holdfast=$4

skip() { echo "skipped: $*"; exit 77; }
[[ $EUID -eq 0 ]] || skip "mounting takes root"
work=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-bad-disk-XXXXXX")
image=$work/image disk=$work/disk
mkdir "$disk"
trap 'if mountpoint -q "$disk"; then umount -l "$disk"; fi; rm -rf "$work"' EXIT

make_disk() {  # FORMATTER SIZE MOUNT-OPTIONS
  command -v "${1%% *}" >/dev/null || skip "${1%% *} is not installed"
  truncate -s "$2" "$image"
  $1 "$image" >/dev/null || skip "$1 does not work here"
  mount -o "loop,$3" "$image" "$disk" || skip "a disk in a file cannot be mounted here"
}
save() { "$mpiexec" --oversubscribe -n 2 "$program" "$disk/saves/ckpt" "$@" | tee "$work/said"; }

case $kind in
  shut)
    make_disk "mkfs.ext4 -q -F" 32M errors=remount-ro
    mkdir "$disk/saves"
    trigger=/sys/fs/ext4/$(basename "$(findmnt -no SOURCE "$disk")")/trigger_fs_error
    [[ -e $trigger ]] || skip "this kernel has no $trigger"
    save EROFS "echo 1 > $trigger"
    umount "$disk"
    e2fsck -p -f "$image" >/dev/null || [[ $? -le 1 ]]  # 1: errors that are mended
    mount -o loop "$image" "$disk"
    ;;
  quota)
    make_disk "mkfs.btrfs -q -f -M" 114M ssd
    { btrfs quota enable "$disk" && btrfs subvolume create "$disk/saves"; } >/dev/null || skip "btrfs has no quota here"
    save EDQUOT "btrfs qgroup limit 4M '$disk/saves'" "btrfs qgroup limit none '$disk/saves'"
    ;;
esac

acknowledged=$(sed -n 's/^acknowledged //p' "$work/said")
"$holdfast" verify "$disk/saves/ckpt/$(printf 'step-%012d.h5' "$acknowledged")"
