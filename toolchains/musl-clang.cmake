# Static musl programs by clang and lld of one version, for any processor. A file per processor sets
#
#   MIAGENT_PROCESSOR      as `uname -m` calls it
#   MIAGENT_DEBIAN_NAME    as Debian calls it
#   MIAGENT_GNU_TRIPLE     whose libgcc and C++ headers are used
#   MIAGENT_MUSL_TRIPLE    what clang compiles for
#   MIAGENT_MACHINE_FLAGS  what the compiler needs to be told (a list, may be empty)
#
# and includes this one.

set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
# binutils's ar: an llvm-ar of another version would refuse the objects.
find_program(CMAKE_AR NAMES ${MIAGENT_GNU_TRIPLE}-ar ar)
find_program(CMAKE_RANLIB NAMES ${MIAGENT_GNU_TRIPLE}-ranlib ranlib)
find_program(CMAKE_STRIP NAMES ${MIAGENT_GNU_TRIPLE}-strip llvm-strip-19 strip)

set(MIAGENT_ASK_FLAGS --target=${MIAGENT_GNU_TRIPLE})
set(MIAGENT_COMPILE_FLAGS "--target=${MIAGENT_MUSL_TRIPLE} -Wno-unused-command-line-argument")
set(MIAGENT_STATIC_PIE "-fuse-ld=lld-19 -static-pie")
# GNU ld takes libraries in their order alone; lld, in any, but tells where another one wouldn't do.
set(MIAGENT_LINK_FLAGS "-Wl,--no-rosegment,--icf=all,--pack-dyn-relocs=relr \
-Wl,--warn-backrefs,--fatal-warnings")
include(${CMAKE_CURRENT_LIST_DIR}/musl.cmake)
