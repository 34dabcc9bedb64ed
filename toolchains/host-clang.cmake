# The tests: this machine's own C and C++ libraries, with clang.
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_C_FLAGS_RELEASE "-O1 -g" CACHE STRING "")
set(CMAKE_CXX_FLAGS_RELEASE "-O1 -g" CACHE STRING "")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-fuse-ld=lld-19")
