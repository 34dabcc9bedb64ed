# What every build against a musl sysroot has in common, whichever the compiler: musl from a pinned
# part, the headers of libstdc++ but not the library. Sets the flags, and MIAGENT_STATIC_MUSL, by
# which CMakeLists.txt knows that the product can be built. Before it is included:
#
#   MIAGENT_DEBIAN_NAME      the processor, as Debian calls it
#   MIAGENT_MACHINE_FLAGS    what the compiler needs to be told of the processor (a list, or empty)
#   MIAGENT_ASK_FLAGS        with which the compiler finds its libgcc and its C++ headers
#   MIAGENT_COMPILE_FLAGS    further flags for C and C++, in one text
#   MIAGENT_STATIC_PIE       what makes the linker write a static, position-independent program
#   CMAKE_C_COMPILER, CMAKE_CXX_COMPILER

include(${CMAKE_CURRENT_LIST_DIR}/parts.cmake)
MiagentPart(musl ${MIAGENT_DEBIAN_NAME})

function(_MiagentAsk output)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${CMAKE_CURRENT_LIST_DIR}
    OUTPUT_VARIABLE text ERROR_VARIABLE text OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\n${text}\n`make cross` and `make` install what is needed; "
      "see toolchains/README.md")
  endif()
  set(${output} "${text}" PARENT_SCOPE)
endfunction()

set(_c_ask ${CMAKE_C_COMPILER} ${MIAGENT_ASK_FLAGS} ${MIAGENT_MACHINE_FLAGS})
set(_cxx_ask ${CMAKE_CXX_COMPILER} ${MIAGENT_ASK_FLAGS} ${MIAGENT_MACHINE_FLAGS})
_MiagentAsk(_libgcc ${_c_ask} -print-libgcc-file-name)
_MiagentAsk(_own_headers ${_c_ask} -print-file-name=include)
_MiagentAsk(_search ${_cxx_ask} -E -v -x c++ /dev/null)
if(NOT EXISTS "${_libgcc}")
  message(FATAL_ERROR "${CMAKE_C_COMPILER} ${MIAGENT_ASK_FLAGS} finds no libgcc (${_libgcc}); "
    "`make cross` installs it; see toolchains/README.md")
endif()

string(REGEX MATCH "/([0-9.]+)/[^/]*$" _ "${_libgcc}")
set(MIAGENT_LIBGCC_VERSION "${CMAKE_MATCH_1}")

# Order matters: libstdc++'s headers `#include_next` those of musl, and these the compiler's.
set(_cxx_includes "")
string(REGEX MATCHALL "\n /[^\n]*/c\\+\\+/[^\n]*" _lines "${_search}")
foreach(_line IN LISTS _lines)
  string(STRIP "${_line}" _line)
  get_filename_component(_line "${_line}" ABSOLUTE)
  string(APPEND _cxx_includes " -isystem ${_line}")
endforeach()
set(_c_includes " -isystem ${musl_SOURCE_DIR}/include -isystem ${_own_headers}")

# The kernel's headers, without the C library's that lie beside them: where the compiler finds them.
set(_kernel_headers ${CMAKE_BINARY_DIR}/kernel-headers)
if(NOT EXISTS ${_kernel_headers}/asm)
  _MiagentAsk(_seen ${_c_ask} -E -x c -include linux/version.h -include asm/types.h
    -include asm-generic/types.h /dev/null)
  file(MAKE_DIRECTORY ${_kernel_headers})
  foreach(_folder IN ITEMS linux asm asm-generic)
    if(_seen MATCHES "\n# [0-9]+ \"(/[^\"\n]*/${_folder})/(version|types)\\.h\"")
      file(CREATE_LINK ${CMAKE_MATCH_1} ${_kernel_headers}/${_folder} SYMBOLIC)
    endif()
  endforeach()
endif()
string(APPEND _c_includes " -idirafter ${_kernel_headers}")

list(JOIN MIAGENT_MACHINE_FLAGS " " _machine)
include(${CMAKE_CURRENT_LIST_DIR}/flags.cmake)
# The two macros of glibc that libstdc++'s configuration for it leaks.
set(_leaks "\"-D__GLIBC_PREREQ(a,b)=0\" -D__locale_t=locale_t -D_GLIBCXX_GTHREAD_USE_WEAK=0")
string(APPEND MIAGENT_C_FLAGS " ${_machine} ${MIAGENT_COMPILE_FLAGS} -nostdinc${_c_includes}")
string(APPEND MIAGENT_CXX_FLAGS " ${_machine} ${MIAGENT_COMPILE_FLAGS} -nostdinc -nostdinc++ \
${_leaks}${_cxx_includes}${_c_includes}")
set(_lib ${musl_SOURCE_DIR}/lib)
MiagentRules("${MIAGENT_COMPILE_FLAGS} ${_machine} -nostdlib ${MIAGENT_STATIC_PIE}"
  "${_lib}/rcrt1.o ${_lib}/crti.o"
  "-Wl,--start-group ${_lib}/libc.a ${_libgcc} -Wl,--end-group ${_lib}/crtn.o")
