# The flags and libraries every layer is built with. Each library of others gets a name here once.
find_package(PkgConfig REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(LIBEVENT REQUIRED IMPORTED_TARGET libevent_core>=2.1.12 libevent_extra)
pkg_check_modules(LIBEVENT_OPENSSL REQUIRED IMPORTED_TARGET libevent_openssl libevent_pthreads)
pkg_check_modules(LIBCURL REQUIRED IMPORTED_TARGET libcurl>=7.80)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(LIBXML REQUIRED IMPORTED_TARGET libxml-2.0)
find_package(OpenSSL 3.0 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)
if(BUILD_TESTING)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()

add_library(msp_flags INTERFACE)
target_compile_definitions(msp_flags INTERFACE _POSIX_C_SOURCE=200809L MAKESPAN_VERSION="${PROJECT_VERSION}")
target_compile_options(msp_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla
    -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wundef -Wformat=2 -fno-common -Werror
    -Wno-format-truncation -ffp-contract=off) # cutting a text at its named maximum is meant
if(MAKESPAN_SANITIZE)
  target_compile_options(msp_flags INTERFACE -fsanitize=${MAKESPAN_SANITIZE} -fno-omit-frame-pointer
      -fno-sanitize-recover=all)
  target_link_options(msp_flags INTERFACE -fsanitize=${MAKESPAN_SANITIZE})
endif()
if(MAKESPAN_FUZZ)
  target_compile_options(msp_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
