# Precompiled headers, shared by the rooms. Reading <torch/torch.h> costs 25 to 40 s; precompiled, it
# still costs 4 s a file more than <ATen/ATen.h>, for the templates that GCC instantiates again, so
# that rooms without networks get a lighter one.
function(echopath_precompile target header)
  set(source "${CMAKE_BINARY_DIR}/${target}.cpp")
  file(GENERATE OUTPUT "${source}" CONTENT
       "namespace echopath { extern const int ${target}; const int ${target} = 1; }\n")
  add_library(${target} STATIC "${source}")
  target_link_libraries(${target} PUBLIC echopath_torch PRIVATE echopath_warnings)
  target_precompile_headers(${target} PRIVATE ${header})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
endfunction()
echopath_precompile(echopath_pch <torch/torch.h>)
echopath_precompile(echopath_pch_aten <ATen/ATen.h>)

# echopath_use_torch(<target> <room>): LibTorch with the precompiled header that suits the room.
function(echopath_use_torch target room)
  target_link_libraries(${target} PRIVATE echopath_torch)
  if(room IN_LIST ECHOPATH_NETWORK_ROOMS)
    target_precompile_headers(${target} REUSE_FROM echopath_pch)
  else()
    target_precompile_headers(${target} REUSE_FROM echopath_pch_aten)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    # The precompiled header was made with -fPIC and is refused under -fPIE.
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
endfunction()

# echopath_room(<name> [TORCH] [ROOMS lower rooms…] [LIBS libraries…]
#               [PLAIN files…] [PLAIN_LIBS libraries…] [CUDA files…])
# One static library from src/<name>/*.cpp.
# TORCH: compiled with LibTorch and its precompiled header.
# PLAIN: files of a TORCH room that are compiled without LibTorch's include folders, with PLAIN_LIBS,
#        whose headers clash with LibTorch's.
# CUDA:  files that only a CUDA build compiles.
function(echopath_room name)
  cmake_parse_arguments(ROOM "TORCH" "" "ROOMS;LIBS;PLAIN;PLAIN_LIBS;CUDA" ${ARGN})
  set(target echopath_${name})
  set(folder "${PROJECT_SOURCE_DIR}/src/${name}")
  file(GLOB sources CONFIGURE_DEPENDS "${folder}/*.cpp")
  list(TRANSFORM ROOM_PLAIN PREPEND "${folder}/")
  list(TRANSFORM ROOM_CUDA PREPEND "${folder}/")
  list(REMOVE_ITEM sources "${folder}/main.cpp" ${ROOM_PLAIN})
  if(NOT ECHOPATH_WITH_CUDA)
    list(REMOVE_ITEM sources ${ROOM_CUDA})
  endif()
  list(TRANSFORM ROOM_ROOMS PREPEND echopath_)
  if(NOT sources)
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE "${PROJECT_SOURCE_DIR}/include")
    target_link_libraries(${target} INTERFACE ${ROOM_ROOMS} ${ROOM_LIBS})
    return()
  endif()
  if(ROOM_PLAIN)
    add_library(${target}_plain OBJECT ${ROOM_PLAIN})
    target_include_directories(${target}_plain PRIVATE "${PROJECT_SOURCE_DIR}/include"
                               "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(${target}_plain PRIVATE echopath_warnings ${ROOM_PLAIN_LIBS})
    list(APPEND sources $<TARGET_OBJECTS:${target}_plain>)
  endif()
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}/include"
                             PRIVATE "${PROJECT_SOURCE_DIR}/src")
  list(TRANSFORM ROOM_PLAIN_LIBS REPLACE "(.+)" "$<LINK_ONLY:\\1>")
  target_link_libraries(${target} PRIVATE echopath_warnings ${ROOM_PLAIN_LIBS}
                        PUBLIC ${ROOM_ROOMS} ${ROOM_LIBS})
  if(ROOM_TORCH)
    echopath_use_torch(${target} ${name})
  endif()
endfunction()
