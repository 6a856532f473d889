#!/usr/bin/env bash
# On a machine with a GPU and its driver (NVIDIA, AMD's ROCm, Intel): makes OpenCL find it, builds, runs the tests, then the
# benchmarks, whose table comes last. The first run of a network on a GPU also measures which of its kernels are fastest.
#
#   bench/gpu.sh [--packages DIR] [--no-tests] [-- arguments of bench/run.sh]
#
#   --packages DIR   .deb files with what scripts/setup.sh would install, for a machine without a package registry; they are
#                    unpacked into build/packages and used from there, nothing is installed. To fill DIR on another one:
#                    apt-get install --download-only -o Dir::Cache::archives=DIR PACKAGE...
#
# OpenCL's loader knows a driver by an ICD file that names its library. Containers often have the library and not the file; one is
# then written into build/vendors.
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

# find_library NAME: its path, from the loader's cache or the places where containers and ROCm put a driver. Prints nothing, and
# does not fail, where there is none.
find_library() {
    local found
    # A user's PATH need not have ldconfig's folder.
    found=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null | sed -n "s/.*\\b$1 .*=> //p" | sed -n 1p || true)
    [ -n "$found" ] || found=$(find -L /usr/local/nvidia /usr/local/cuda /usr/lib /usr/lib64 /opt/rocm* -name "$1" 2>/dev/null | sed -n 1p || true)
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

# A folder of our own, with what the system has beside it, so that nothing outside build/ changes.
use_drivers() {
    local vendors=$build/vendors library driver file added=''
    rm -rf "$vendors"
    mkdir -p "$vendors"
    for file in /etc/OpenCL/vendors/*.icd "$build"/packages/etc/OpenCL/vendors/*.icd; do
        [ ! -e "$file" ] || cp -n "$file" "$vendors/"
    done
    for library in libnvidia-opencl.so.1 libamdocl64.so libigdrcl.so; do
        driver=$(find_library "$library")
        # Named already, perhaps with another version's number or a path.
        if [ -z "$driver" ] || grep -qsF "${library%%.so*}" "$vendors"/*.icd; then continue; fi
        printf '%s\n' "$driver" >"$vendors/${library%%.so*}.icd"
        # What the driver loads lies beside it.
        LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}${driver%/*}
        export LD_LIBRARY_PATH
        say "OpenCL: $vendors/${library%%.so*}.icd names $driver"
        added=1
    done
    if [ -n "$added$packages" ]; then export OCL_ICD_VENDORS=$vendors; fi
}

# Whether `devices --json` prints TEXT. All of it is read, for a reader that stops early would end the writer, hence the pipe, with an error.
lists() {
    "$build/limbeck" devices --json | grep -F "$1" >/dev/null
}

# Tests and table would be about something else without one.
need_gpu() {
    "$build/limbeck" devices
    ! lists '"type": "gpu"' || return 0
    die "OpenCL lists no GPU. Is its driver installed, with its OpenCL part (NVIDIA: libnvidia-opencl.so.1; in a container
NVIDIA_DRIVER_CAPABILITIES=compute,utility; AMD: rocm-opencl, and you in the groups video and render; Intel: intel-opencl-icd)?"
}

# The first interpreter whose PyTorch has a GPU, else Debian's and Ubuntu's own.
find_python() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
            printf '%s' "$python"
            return
        fi
    done
    if [ -x /usr/bin/python3 ]; then printf /usr/bin/python3; else printf python3; fi
}

if [ -n "$packages" ]; then use_packages; else "$root/scripts/setup.sh" --tests; fi
use_drivers
"$root/scripts/build.sh" -DLIMBECK_TESTS=ON
need_gpu
failed=0
if [ -n "$tests" ]; then
    # As in scripts/test.sh. The tests of ops and graphs run on every device that there is.
    mkdir -p "$build/cache/pocl" "$build/cache/limbeck"
    POCL_CACHE_DIR=$build/cache/pocl LIMBECK_CACHE=$build/cache/limbeck LIMBECK_STORE=off \
        ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)" </dev/null || failed=$?
fi
python=$(find_python)
on_gpu=()
! "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null || on_gpu=(--torch-device cuda)
[ ${#on_gpu[@]} -gt 0 ] || say "$python has no PyTorch that sees a GPU: its columns, where there are any, are the CPU's"
"$python" bench/compare.py --limbeck "$build/limbeck" --device gpu "${on_gpu[@]}" "$@" || failed=$?
# The same by matrix units, where the device has some, which asking for a product shows; memory is that of above.
for arithmetic in tf32 bfloat16; do
    "$build/limbeck" bench ops --op matmul --shape 512x512 --shape 512x512 --arithmetic "$arithmetic" --device gpu || failed=$?
    if lists "\"$arithmetic\""; then
        "$python" bench/compare.py ops train kd --arithmetic "$arithmetic" --limbeck "$build/limbeck" --device gpu "${on_gpu[@]}" "$@" || failed=$?
    fi
done
[ "$failed" -eq 0 ] || say "not all went well (status $failed): see above"
exit "$failed"
