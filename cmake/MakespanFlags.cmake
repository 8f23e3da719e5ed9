# The flags and libraries every layer is built with. Each library of others gets a name here once.
find_package(PkgConfig REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(LIBEVENT REQUIRED IMPORTED_TARGET libevent_core>=2.1.12 libevent_extra)
pkg_check_modules(LIBEVENT_OPENSSL REQUIRED IMPORTED_TARGET libevent_openssl libevent_pthreads)
pkg_check_modules(LIBCURL REQUIRED IMPORTED_TARGET libcurl>=7.80)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.37) # STRICT tables
pkg_check_modules(LIBXML REQUIRED IMPORTED_TARGET libxml-2.0)
find_package(OpenSSL 3.0 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)

# The agent is handed out to runners that have nothing but curl, so it may need only what curl brings along:
# libcurl, OpenSSL's libcrypto, zlib and libc. The rest goes into the program where the system has archives.
option(MAKESPAN_PORTABLE "link jansson and libevent into the programs" OFF)
function(msp_prefer_archive target)
  foreach(lib ${ARGN})
    find_library(${lib}_archive lib${lib}.a)
    if(NOT ${lib}_archive)
      message(WARNING "no lib${lib}.a: the agent will need lib${lib}.so on every runner")
      return()
    endif()
    list(APPEND archives ${${lib}_archive})
  endforeach()
  set_property(TARGET ${target} PROPERTY INTERFACE_LINK_LIBRARIES ${archives})
endfunction()
if(MAKESPAN_PORTABLE)
  msp_prefer_archive(PkgConfig::JANSSON jansson)
  msp_prefer_archive(PkgConfig::LIBEVENT event_extra event_core)
endif()

if(BUILD_TESTING)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()

add_library(msp_flags INTERFACE)
target_compile_definitions(msp_flags INTERFACE _POSIX_C_SOURCE=200809L MAKESPAN_VERSION="${PROJECT_VERSION}")
target_compile_options(msp_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla
    -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wundef -Wformat=2 -fno-common -Werror
    $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation> # cutting a text at its named maximum is meant
    -ffp-contract=off)
if(MAKESPAN_SANITIZE)
  target_compile_options(msp_flags INTERFACE -fsanitize=${MAKESPAN_SANITIZE} -fno-omit-frame-pointer
      -fno-sanitize-recover=all)
  target_link_options(msp_flags INTERFACE -fsanitize=${MAKESPAN_SANITIZE})
endif()
if(MAKESPAN_FUZZ)
  target_compile_options(msp_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
