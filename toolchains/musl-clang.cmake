# What the static musl targets have in common: clang and lld of one version, musl's sysroot from a
# pinned part, the headers of libstdc++ but not the library. A file per processor sets
#
#   MIAGENT_PROCESSOR      as `uname -m` calls it
#   MIAGENT_DEBIAN_NAME    as Debian calls it
#   MIAGENT_GNU_TRIPLE     whose libgcc and C++ headers are used
#   MIAGENT_MACHINE_FLAGS  what the compiler needs to be told (a list, may be empty)
#
# and includes this one.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${MIAGENT_PROCESSOR})
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
# binutils's: an llvm-ar of another version would refuse the objects.
find_program(CMAKE_AR ar)
find_program(CMAKE_RANLIB ranlib)
find_program(CMAKE_STRIP NAMES ${MIAGENT_GNU_TRIPLE}-strip strip)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)  # a test program can't link: no start files yet
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FETCHCONTENT_SOURCE_DIR_MUSL)

include(${CMAKE_CURRENT_LIST_DIR}/parts.cmake)
MiagentPart(musl ${MIAGENT_DEBIAN_NAME})

function(_MiagentAsk output)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE text ERROR_VARIABLE text
    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(${output} "${text}" PARENT_SCOPE)
endfunction()

_MiagentAsk(_libgcc ${CMAKE_C_COMPILER} --target=${MIAGENT_GNU_TRIPLE} -print-libgcc-file-name)
_MiagentAsk(_resources ${CMAKE_C_COMPILER} -print-resource-dir)
_MiagentAsk(_search ${CMAKE_CXX_COMPILER} --target=${MIAGENT_GNU_TRIPLE} -E -v -x c++ /dev/null)

# Order matters: libstdc++'s headers `#include_next` those of musl, and these the compiler's.
set(_cxx_includes "")
string(REGEX MATCHALL "\n /[^\n]*/c\\+\\+/[^\n]*" _lines "${_search}")
foreach(_line IN LISTS _lines)
  string(STRIP "${_line}" _line)
  get_filename_component(_line "${_line}" ABSOLUTE)
  string(APPEND _cxx_includes " -isystem ${_line}")
endforeach()
set(_c_includes " -isystem ${musl_SOURCE_DIR}/include -isystem ${_resources}/include")

# The kernel's headers, without the C library's that lie beside them.
if(EXISTS /usr/${MIAGENT_GNU_TRIPLE}/include/linux)
  set(_kernel /usr/${MIAGENT_GNU_TRIPLE}/include)
  set(_kernel_asm ${_kernel}/asm)
else()
  set(_kernel /usr/include)
  set(_kernel_asm /usr/include/${MIAGENT_GNU_TRIPLE}/asm)
endif()
set(_kernel_headers ${CMAKE_BINARY_DIR}/kernel-headers)
if(EXISTS ${_kernel_asm} AND NOT EXISTS ${_kernel_headers}/asm)
  file(MAKE_DIRECTORY ${_kernel_headers})
  file(CREATE_LINK ${_kernel}/linux ${_kernel_headers}/linux SYMBOLIC)
  file(CREATE_LINK ${_kernel}/asm-generic ${_kernel_headers}/asm-generic SYMBOLIC)
  file(CREATE_LINK ${_kernel_asm} ${_kernel_headers}/asm SYMBOLIC)
endif()
string(APPEND _c_includes " -idirafter ${_kernel_headers}")

list(JOIN MIAGENT_MACHINE_FLAGS " " _machine)
set(_common "--target=${MIAGENT_PROCESSOR}-linux-musl ${_machine} -nostdinc -fPIE \
-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables \
-fomit-frame-pointer -fno-ident -ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -Wno-unused-command-line-argument")
# The two macros of glibc that libstdc++'s configuration for it leaks.
set(_leaks "\"-D__GLIBC_PREREQ(a,b)=0\" -D__locale_t=locale_t -D_GLIBCXX_GTHREAD_USE_WEAK=0")
set(CMAKE_C_FLAGS_INIT "${_common}${_c_includes}")
set(CMAKE_CXX_FLAGS_INIT "${_common} -fno-exceptions -fno-rtti -fno-threadsafe-statics \
${_leaks}${_cxx_includes}${_c_includes}")
# -Oz is 5 % smaller than -Os here. No LTO: it gains nothing, and without it the core library holds
# the machine code itself, so that the simulator runs what the product runs. (CMake's own choice
# would be -O3 -DNDEBUG.)
set(CMAKE_C_FLAGS_RELEASE "-Oz" CACHE STRING "")
set(CMAKE_CXX_FLAGS_RELEASE "-Oz" CACHE STRING "")

# Linked by the C driver, whatever the language: no libstdc++ can slip in.
set(_lib ${musl_SOURCE_DIR}/lib)
set(_link "<CMAKE_C_COMPILER> --target=${MIAGENT_PROCESSOR}-linux-musl ${_machine} -fuse-ld=lld-19 \
-nostdlib -static-pie <LINK_FLAGS> ${_lib}/rcrt1.o ${_lib}/crti.o <OBJECTS> -o <TARGET> \
<LINK_LIBRARIES> -Wl,--start-group ${_lib}/libc.a ${_libgcc} -Wl,--end-group ${_lib}/crtn.o")
set(CMAKE_C_LINK_EXECUTABLE "${_link}")
set(CMAKE_CXX_LINK_EXECUTABLE "${_link}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-O2,--gc-sections,-z,relro,-z,now,-z,noexecstack,-z,text \
-Wl,-z,noseparate-code,--no-rosegment,--build-id=none,--icf=all,--hash-style=gnu,--no-eh-frame-hdr -Wl,--pack-dyn-relocs=relr")
set(MIAGENT_STATIC_MUSL ON)
