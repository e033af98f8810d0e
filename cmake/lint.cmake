# `cmake --build build --target lint`: format, clang-tidy and cppcheck over the project's own sources.
add_custom_target(lint
    COMMAND ${PROJECT_SOURCE_DIR}/scripts/lint ${PROJECT_BINARY_DIR}
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    USES_TERMINAL)
