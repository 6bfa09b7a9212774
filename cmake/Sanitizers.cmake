# ECHOPATH_SANITIZE=address,undefined instruments the whole build.
set(ECHOPATH_SANITIZE "" CACHE STRING "Comma-separated sanitizers, for example address,undefined")
if(ECHOPATH_SANITIZE)
  add_compile_options(-fsanitize=${ECHOPATH_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ECHOPATH_SANITIZE})
endif()
