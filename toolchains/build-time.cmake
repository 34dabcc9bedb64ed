# MIAGENT_BUILD_TIME_S, the date of what is packed, and before which no clock is right: that of
# SOURCE_DATE_EPOCH, else of the commit, so that a build of one commit comes out the same every time.
# The commit is that of this project's own repository: sources that were unpacked inside another one
# (a system's checkout, a home folder under version control) have none.

set(MIAGENT_BUILD_TIME_S "$ENV{SOURCE_DATE_EPOCH}")
if(NOT MIAGENT_BUILD_TIME_S)
  get_filename_component(_git_dir ${CMAKE_CURRENT_LIST_DIR}/../.git ABSOLUTE)
  execute_process(COMMAND git --git-dir=${_git_dir} log -1 --format=%ct
    OUTPUT_VARIABLE MIAGENT_BUILD_TIME_S OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
    RESULT_VARIABLE _no_git)
endif()
if(NOT MIAGENT_BUILD_TIME_S)
  set(MIAGENT_BUILD_TIME_S 1795000000)  # November 2026: sources without their history
endif()
