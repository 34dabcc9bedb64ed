# The product's own flags, for any compiler and any way to musl.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${MIAGENT_PROCESSOR})
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)  # a test program can't link: no start files yet
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FETCHCONTENT_SOURCE_DIR_MUSL)

# These stand in CMake's rules, so that a packager's own CMAKE_C_FLAGS, CMAKE_EXE_LINKER_FLAGS and the
# like come after them and not in their place.
#
# One source, one result: no folder's name gets into a file, and what asks for the date isn't compiled.
set(MIAGENT_C_FLAGS "-fPIE -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
-fno-unwind-tables -fomit-frame-pointer -fno-ident -ffile-prefix-map=${CMAKE_SOURCE_DIR}/= \
-Werror=date-time")
set(MIAGENT_CXX_FLAGS "${MIAGENT_C_FLAGS} -fno-exceptions -fno-rtti -fno-threadsafe-statics")
set(MIAGENT_LINK_FLAGS "-Wl,-O2,--gc-sections,-z,relro,-z,now,-z,noexecstack,-z,text \
-Wl,-z,noseparate-code,--build-id=none,--hash-style=gnu,--no-eh-frame-hdr ${MIAGENT_LINK_FLAGS}")

# -Oz is 5 % smaller than -Os here. No LTO: it gains nothing, and without it the core library holds
# the machine code itself, so that the simulator runs what the product runs. (CMake's own choice
# would be -O3 -DNDEBUG.)
set(CMAKE_C_FLAGS_RELEASE "-Oz" CACHE STRING "")
set(CMAKE_CXX_FLAGS_RELEASE "-Oz" CACHE STRING "")

# Makes the rules, once the flags are complete: what the driver is told when it links, and what stands
# before and after the program's own objects and libraries.
# Linked by the C driver, whatever the language: no libstdc++ can slip in.
macro(MiagentRules driver_flags before after)
  foreach(_language IN ITEMS C CXX)
    set(CMAKE_${_language}_COMPILE_OBJECT "<CMAKE_${_language}_COMPILER> <DEFINES> <INCLUDES> \
${MIAGENT_${_language}_FLAGS} <FLAGS> -o <OBJECT> -c <SOURCE>")
    set(CMAKE_${_language}_LINK_EXECUTABLE "<CMAKE_C_COMPILER> ${driver_flags} \
${MIAGENT_LINK_FLAGS} <LINK_FLAGS> ${before} <OBJECTS> -o <TARGET> <LINK_LIBRARIES> ${after}")
    # D: no dates and owners in a library, whatever ar's own default.
    set(CMAKE_${_language}_ARCHIVE_CREATE "<CMAKE_AR> qcD <TARGET> <OBJECTS>")
    set(CMAKE_${_language}_ARCHIVE_APPEND "<CMAKE_AR> qD <TARGET> <OBJECTS>")
    set(CMAKE_${_language}_ARCHIVE_FINISH "<CMAKE_RANLIB> -D <TARGET>")
  endforeach()
  set(MIAGENT_STATIC_MUSL ON)
endmacro()
