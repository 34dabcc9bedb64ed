# Third-party parts: MiagentPart(NAME) sets NAME_SOURCE_DIR in the caller.
#
# A packager's own copy (-DFETCHCONTENT_SOURCE_DIR_<NAME>=FOLDER) comes first and is used as it is;
# else fetch.sh brings the pinned one from Debian's archive or from upstream's.

function(MiagentPart name)
  string(TOUPPER "${name}" upper)
  set(own "${FETCHCONTENT_SOURCE_DIR_${upper}}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    "${MIAGENT_TOOLCHAINS}/parts/${name}.pin")
  if(own)
    file(STRINGS "${MIAGENT_TOOLCHAINS}/parts/${name}.pin" lines REGEX "^file ")
    foreach(line IN LISTS lines)
      string(REGEX MATCH "^file ([0-9a-f]+) (.*)$" _ "${line}")
      if(NOT EXISTS "${own}/${CMAKE_MATCH_2}")
        message(FATAL_ERROR "FETCHCONTENT_SOURCE_DIR_${upper}=${own} has no ${CMAKE_MATCH_2}")
      endif()
      file(SHA256 "${own}/${CMAKE_MATCH_2}" hash)
      if(NOT hash STREQUAL CMAKE_MATCH_1)
        message(WARNING "${own}/${CMAKE_MATCH_2} is not the pinned file (parts/${name}.pin)")
      endif()
    endforeach()
  else()
    execute_process(
      COMMAND "${MIAGENT_TOOLCHAINS}/fetch.sh" "${name}" ${ARGN}
      OUTPUT_VARIABLE own OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE code)
    if(NOT code EQUAL 0)
      message(FATAL_ERROR "the third-party part ${name} can't be had (see above)")
    endif()
  endif()
  set(${name}_SOURCE_DIR "${own}" PARENT_SCOPE)
  set_property(GLOBAL APPEND PROPERTY MIAGENT_PARTS ${name})  # for the SBOM
endfunction()

set(MIAGENT_TOOLCHAINS "${CMAKE_CURRENT_LIST_DIR}")
