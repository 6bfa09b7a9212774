# Text files that become part of the program.

# echopath_embed(<room> <name> <file>): `extern const char* const <name>` in the namespace
# echopath::<room>, the content of a text file.
function(echopath_embed room name file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
  file(READ "${file}" content)
  set(source "${CMAKE_BINARY_DIR}/embedded/${room}_${name}.cpp")
  set(text "#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n")
  string(APPEND text "namespace echopath::${room} {\nextern const char* const ${name};\n")
  string(APPEND text "const char* const ${name} = R\"embedded(${content})embedded\";\n}\n")
  set(before "")
  if(EXISTS "${source}")
    file(READ "${source}" before)
  endif()
  if(NOT text STREQUAL before)
    file(WRITE "${source}" "${text}")
  endif()
  target_sources(echopath_${room} PRIVATE "${source}")
  set_source_files_properties("${source}" PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
endfunction()

# Chart.js, which the report carries inside its page.
find_file(ECHOPATH_CHART_JS NAMES chart.min.js Chart.min.js chart.umd.js
          PATHS /usr/share/javascript/chart.js /usr/share/javascript/chartjs
          /usr/share/nodejs/chart.js/dist REQUIRED NO_DEFAULT_PATH)
