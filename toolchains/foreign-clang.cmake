# The tests for another processor, to be run in qemu: clang, with Debian's C and C++ libraries for it
# (`setup.sh cross` brings them), statically linked. MIAGENT_GNU_TRIPLE is Debian's word for it.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES MIAGENT_GNU_TRIPLE)
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_C_COMPILER_TARGET ${MIAGENT_GNU_TRIPLE})
set(CMAKE_CXX_COMPILER_TARGET ${MIAGENT_GNU_TRIPLE})
set(CMAKE_C_FLAGS_RELEASE "-O1" CACHE STRING "")
set(CMAKE_CXX_FLAGS_RELEASE "-O1" CACHE STRING "")
# glibc's time_t has 32 bits on armhf, unless it is asked; musl's, the product's, has 64.
add_compile_definitions(_TIME_BITS=64 _FILE_OFFSET_BITS=64)
set(CMAKE_EXE_LINKER_FLAGS_INIT "-fuse-ld=lld-19 -static")
