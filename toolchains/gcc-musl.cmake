# The product by GCC, of this machine or of a foreign SDK:
#
#   cmake -S . -B FOLDER --toolchain toolchains/gcc-musl.cmake \
#     -DMIAGENT_CROSS_PREFIX=/sdk/bin/aarch64-buildroot-linux-musl- [-DMIAGENT_SYSROOT=/sdk/sysroot]
#
#   MIAGENT_CROSS_PREFIX   what stands before `gcc`, `g++`, `ar`, `strip`; with its folder or without.
#                          Without it CMAKE_C_COMPILER and CMAKE_CXX_COMPILER are taken, or the
#                          environment's CC and CXX, or gcc and g++
#   MIAGENT_SYSROOT        given to the compiler as --sysroot; SDKs have theirs built in, mostly
#   MIAGENT_MACHINE_FLAGS  what the compiler needs to be told of the processor (a list)
#
# A compiler for musl (Buildroot, OpenWrt, musl-cross, Alpine) links with its own musl, 1.2 or later.
# One for another C library gives its headers of C++ and its libgcc, and musl is the pinned part, as
# with clang (FETCHCONTENT_SOURCE_DIR_MUSL hands another over).

list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES
  MIAGENT_CROSS_PREFIX MIAGENT_SYSROOT MIAGENT_MACHINE_FLAGS)
if(MIAGENT_CROSS_PREFIX)
  set(CMAKE_C_COMPILER ${MIAGENT_CROSS_PREFIX}gcc)
  set(CMAKE_CXX_COMPILER ${MIAGENT_CROSS_PREFIX}g++)
else()
  foreach(_pair IN ITEMS "C;CC;gcc" "CXX;CXX;g++")
    list(GET _pair 0 _language)
    list(GET _pair 1 _variable)
    list(GET _pair 2 _default)
    if(NOT CMAKE_${_language}_COMPILER)
      set(CMAKE_${_language}_COMPILER ${_default})
      if(NOT "$ENV{${_variable}}" STREQUAL "")
        set(CMAKE_${_language}_COMPILER $ENV{${_variable}})
      endif()
    endif()
  endforeach()
endif()
find_program(CMAKE_AR NAMES ${MIAGENT_CROSS_PREFIX}ar ar)
find_program(CMAKE_RANLIB NAMES ${MIAGENT_CROSS_PREFIX}ranlib ranlib)
find_program(CMAKE_STRIP NAMES ${MIAGENT_CROSS_PREFIX}strip strip)

execute_process(COMMAND ${CMAKE_C_COMPILER} -dumpmachine OUTPUT_VARIABLE _machine_triple
  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE "-.*" "" MIAGENT_PROCESSOR "${_machine_triple}")
if(MIAGENT_PROCESSOR STREQUAL aarch64 AND NOT MIAGENT_MACHINE_FLAGS)
  set(MIAGENT_MACHINE_FLAGS -mno-outline-atomics)
endif()
set(_names "x86_64=amd64" "aarch64=arm64" "arm=armhf" "riscv64=riscv64")
list(FILTER _names INCLUDE REGEX "^${MIAGENT_PROCESSOR}=")
string(REGEX REPLACE ".*=" "" MIAGENT_DEBIAN_NAME "${_names}")
set(MIAGENT_COMPILE_FLAGS "")
if(MIAGENT_SYSROOT)
  set(MIAGENT_COMPILE_FLAGS "--sysroot=${MIAGENT_SYSROOT}")
endif()

if(_machine_triple MATCHES "-musl")
  include(${CMAKE_CURRENT_LIST_DIR}/parts.cmake)
  include(${CMAKE_CURRENT_LIST_DIR}/flags.cmake)
  list(JOIN MIAGENT_MACHINE_FLAGS " " _machine)
  string(APPEND MIAGENT_C_FLAGS " ${_machine} ${MIAGENT_COMPILE_FLAGS}")
  string(APPEND MIAGENT_CXX_FLAGS " ${_machine} ${MIAGENT_COMPILE_FLAGS}")
  MiagentRules("${_machine} ${MIAGENT_COMPILE_FLAGS} -static-pie" "" "")
  execute_process(COMMAND ${CMAKE_C_COMPILER} -dumpversion OUTPUT_VARIABLE MIAGENT_LIBGCC_VERSION
    OUTPUT_STRIP_TRAILING_WHITESPACE)
else()
  set(MIAGENT_ASK_FLAGS ${MIAGENT_COMPILE_FLAGS})
  # GCC 12 adds an interpreter to its own -static-pie on some processors.
  set(MIAGENT_STATIC_PIE "-static -Wl,-pie,--no-dynamic-linker")
  include(${CMAKE_CURRENT_LIST_DIR}/musl.cmake)
endif()
