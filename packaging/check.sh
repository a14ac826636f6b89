#!/usr/bin/env bash
# What `make install` gives is whole: every file is there, the libraries export the functions of the header and
# nothing else, and a C program builds and runs against them, shared and static, also beside another Rust archive.
# Signatures and layouts are those of tests/abi/tidings.abi, which UPDATE=1 writes anew.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${MAKE:=make}" "${CC:=cc}" "${PYTHON:=python3}" "${RUSTC:=rustc}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
checks=0

fail() { echo "packaging/check.sh: $*" >&2; exit 1; }
held() { checks=$((checks + 1)); echo "ok $checks - $*"; }
skip() { echo "skip: $*"; }

prefix=$work/prefix lib=$work/prefix/lib
"$MAKE" --no-print-directory install PREFIX="$prefix" DESTDIR= >"$work/install.log" 2>&1 || { cat "$work/install.log"; fail "make install"; }
soname=$(readlink "$lib/libtidings.so") || fail "lib/libtidings.so is not a link"
for file in include/tidings.h include/tidings/{turn,epoll,libuv,glib}.h "lib/$soname" lib/libtidings.a lib/pkgconfig/tidings.pc; do
  [ -s "$prefix/$file" ] || fail "no $file"
done
held "make install gives headers, libraries and pkg-config file"

"$PYTHON" scripts/reference.py man "$work/man" >/dev/null
"$MAKE" --no-print-directory install PREFIX=/usr DESTDIR="$work/root" MAN_PAGES="$work/man" >"$work/install.log" 2>&1 || { cat "$work/install.log"; fail "make install DESTDIR"; }
grep -q '^prefix=/usr$' "$work/root/usr/lib/pkgconfig/tidings.pc" || fail "the prefix in tidings.pc is not /usr"
if grep -q -e -rpath, "$work/root/usr/lib/pkgconfig/tidings.pc"; then fail "an rpath for /usr"; fi
[ "$(find "$work/root/usr/share/man/man3" -name '*.3' | wc -l)" -gt 90 ] || fail "the man pages are not installed"
"$MAKE" --no-print-directory uninstall PREFIX=/usr DESTDIR="$work/root" >/dev/null
[ -z "$(find "$work/root" -type f -o -type l)" ] || fail "make uninstall left $(find "$work/root" -type f -o -type l)"
held "DESTDIR is followed, a system prefix gets no rpath, man pages are installed where they were made, uninstall leaves nothing"

"$CC" -E -P -x c include/tidings.h | grep -o 'td_[a-z0-9_]*(' | tr -d '(' | sort -u >"$work/header"
nm -D --defined-only "$lib/$soname" | awk '{ print $NF }' | sort -u >"$work/shared"
nm -g --defined-only "$lib/libtidings.a" | awk 'NF == 3 { print $3 }' | sort -u >"$work/static"
diff "$work/header" "$work/shared" || fail "header (<) and shared library (>) differ"
diff "$work/header" "$work/static" || fail "header (<) and static library (>) differ"
held "both libraries define the $(wc -l <"$work/header" | tr -d ' ') functions of the header and no other symbol"

if ! command -v abidiff >/dev/null; then
  skip "no abidiff (abigail-tools): signatures and layouts not compared with tests/abi/tidings.abi"
elif [ "$(uname -m)" != x86_64 ]; then
  skip "tests/abi/tidings.abi is of x86_64, this is $(uname -m)"
else
  "$CC" -E -P -x c include/tidings.h | "$PYTHON" packaging/abi_stub.py >"$work/stub.c"
  (cd "$work" && "$CC" -g -shared -fPIC -w -o stub.so stub.c)
  if [ -n "${UPDATE:-}" ]; then
    (cd "$work" && abidw --no-corpus-path --no-comp-dir-path --no-show-locs --drop-undefined-syms stub.so) >tests/abi/tidings.abi
  fi
  abidiff tests/abi/tidings.abi "$work/stub.so" || fail "the ABI is another than tests/abi/tidings.abi; if it was only added to, UPDATE=1 packaging/check.sh keeps it"
  held "signatures and layouts are those of tests/abi/tidings.abi"
fi

if command -v readelf >/dev/null; then
  readelf -d "$lib/$soname" >"$work/dynamic"
  grep -q "SONAME.*\[$soname\]" "$work/dynamic" || fail "the SONAME is not $soname"
  grep -q 'NODELETE' "$work/dynamic" || fail "the shared library may be unloaded"
  held "$soname carries its name and stays loaded"
else
  skip "no readelf: SONAME and NODELETE not looked at"
fi

compile() { "$CC" -std=c99 -Wall -Wextra -Wpedantic -Werror packaging/check.c -I "$prefix/include" "$@"; }
private=$(sed -n 's/^Libs.private: //p' "$lib/pkgconfig/tidings.pc")

compile -o "$work/shared-app" -L "$lib" -Wl,-rpath,"$lib" -ltidings
"$work/shared-app" || fail "the program with the shared library"
held "a program runs with the shared library"

if command -v pkg-config >/dev/null; then
  # shellcheck disable=SC2046  # lists of flags
  PKG_CONFIG_PATH=$lib/pkgconfig "$CC" packaging/check.c -o "$work/pc-app" \
    $(PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --cflags --libs tidings)
  env -u LD_LIBRARY_PATH "$work/pc-app" || fail "the program built with the flags of pkg-config"
  held "a program built with pkg-config's flags alone runs as it is"

  "$MAKE" --no-print-directory dist-c >"$work/dist.log" 2>&1 || { cat "$work/dist.log"; fail "make dist-c"; }
  mkdir "$work/unpacked"
  tar -C "$work/unpacked" -xf "$(tail -n 1 "$work/dist.log")" --strip-components=1
  # shellcheck disable=SC2046  # lists of flags
  PKG_CONFIG_PATH=$work/unpacked/lib/pkgconfig "$CC" packaging/check.c -o "$work/archive-app" \
    $(PKG_CONFIG_PATH=$work/unpacked/lib/pkgconfig pkg-config --cflags --libs tidings)
  env -u LD_LIBRARY_PATH "$work/archive-app" || fail "the program built with the unpacked archive"
  held "make dist-c gives an archive that works where it is unpacked"

  # All but what cargo builds, which lies in target/ of this checkout.
  mkdir "$work/fresh"
  cp -r Makefile build.rs Cargo.toml include packaging LICENSE-* README.md tests "$work/fresh"
  ln -s "$PWD/target" "$work/fresh/target"
  "$MAKE" --no-print-directory -C "$work/fresh" dist-c CARGO=true >"$work/dist.log" 2>&1 || { cat "$work/dist.log"; fail "make dist-c in a fresh checkout"; }
  held "make dist-c works in a checkout in which nothing was made yet"
else
  skip "no pkg-config: its flags were not tried"
fi

# shellcheck disable=SC2086  # a list of flags
compile -o "$work/static-app" "$lib/libtidings.a" $private
"$work/static-app" || fail "the program with the static library"
if command -v ldd >/dev/null && ldd "$work/static-app" | grep -q libtidings; then fail "the static program needs libtidings.so"; fi
held "a program runs with the static library alone"

"$RUSTC" --edition 2021 --crate-type staticlib -C opt-level=1 -o "$work/libanother.a" packaging/another_archive.rs
# shellcheck disable=SC2086
compile -DANOTHER_ARCHIVE -o "$work/both-app" "$lib/libtidings.a" "$work/libanother.a" $private
"$work/both-app" || fail "the program with two Rust archives"
held "two Rust archives live in one program"

echo "installed library: $checks checks passed"
