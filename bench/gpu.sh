#!/usr/bin/env bash
# On a machine with an NVIDIA GPU and its driver: makes OpenCL find it, builds, runs the tests, then the benchmarks, whose
# table comes last.
#
#   bench/gpu.sh [--packages DIR] [--no-tests] [-- arguments of bench/run.sh]
#
#   --packages DIR   .deb files with what scripts/setup.sh would install, for a machine without a package registry; they are
#                    unpacked into build/packages and used from there, nothing is installed. To fill DIR on another one:
#                    apt-get install --download-only -o Dir::Cache::archives=DIR PACKAGE...
#
# The driver's library is libnvidia-opencl.so.1. Containers often have it but not the ICD file that names it, and without
# that file the OpenCL loader does not know the driver; one is then written into build/vendors.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
cd "$root"

packages='' tests=1
while [ $# -gt 0 ]; do
    case $1 in
    --packages) packages=$(cd "$2" && pwd) && shift ;;
    --no-tests) tests='' ;;
    --) shift && break ;;
    *) die "unknown option $1; see the head of $0" ;;
    esac
    shift
done
mkdir -p "$build"

# find_library NAME: its path, from the loader's cache or the places where containers put a driver.
find_library() {
    local found
    found=$(ldconfig -p | sed -n "s/.*\\b$1 .*=> //p" | head -n 1)
    [ -n "$found" ] || found=$(find /usr/local/nvidia /usr/local/cuda /usr/lib /usr/lib64 -name "$1" 2>/dev/null | head -n 1 || true)
    printf '%s' "$found"
}

unpack_packages() {
    local place=$1 file
    for file in "$packages"/*.deb; do dpkg-deb -x "$file" "$place"; done
}

use_packages() {
    local place=$build/packages multiarch
    [ -d "$place" ] || step "unpacking $(find "$packages" -name '*.deb' | wc -l) packages" unpack_packages "$place"
    multiarch=$(uname -m)-linux-gnu
    export PATH=$place/usr/bin:$PATH
    export LD_LIBRARY_PATH=$place/usr/lib/$multiarch:$place/usr/lib:$place/lib/$multiarch${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LIBRARY_PATH=$LD_LIBRARY_PATH CMAKE_PREFIX_PATH=$place/usr CMAKE_LIBRARY_PATH=$place/usr/lib/$multiarch
    export C_INCLUDE_PATH=$place/usr/include:$place/usr/include/$multiarch
    # pkg-config prefixes what the packages believe to be their place.
    export PKG_CONFIG_SYSROOT_DIR=$place PKG_CONFIG_LIBDIR=$place/usr/lib/$multiarch/pkgconfig:$place/usr/share/pkgconfig
}

use_driver() {
    local driver vendors=$build/vendors
    driver=$(find_library libnvidia-opencl.so.1)
    [ -n "$driver" ] || die "libnvidia-opencl.so.1 is not on this machine: no NVIDIA driver, or a container without its compute part"
    if grep -qs nvidia-opencl /etc/OpenCL/vendors/*.icd; then return; fi
    # A folder of our own, with what the system has beside it, so that nothing outside build/ changes.
    mkdir -p "$vendors"
    for file in /etc/OpenCL/vendors/*.icd "$build"/packages/etc/OpenCL/vendors/*.icd; do
        [ ! -e "$file" ] || cp "$file" "$vendors/"
    done
    printf '%s\n' "$driver" >"$vendors/nvidia.icd"
    export OCL_ICD_VENDORS=$vendors
    say "OpenCL: $vendors/nvidia.icd names $driver"
}

if [ -n "$packages" ]; then use_packages; else "$root/scripts/setup.sh" --tests; fi
use_driver
"$root/scripts/build.sh" -DLIMBECK_TESTS=ON
"$build/limbeck" devices
failed=0
if [ -n "$tests" ]; then
    export POCL_CACHE_DIR=$build/cache/pocl LIMBECK_CACHE=$build/cache/limbeck
    mkdir -p "$POCL_CACHE_DIR" "$LIMBECK_CACHE"
    ctest --test-dir "$build" --output-on-failure </dev/null || failed=$?
fi
python=/usr/bin/python3
[ -x "$python" ] || python=python3
on_gpu=()
! "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null || on_gpu=(--torch-device cuda)
"$python" bench/compare.py --limbeck "$build/limbeck" --device gpu "${on_gpu[@]}" "$@"
exit "$failed"
