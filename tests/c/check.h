/* What the test programs share: a failed expectation is printed with its place, and counted. */

#ifndef MMNAS_TESTS_CHECK_H
#define MMNAS_TESTS_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmnas_runtime.h"

/* Threads may fail at once. */
static _Atomic int failures;

static inline void expect(int holds, const char *file, int line, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s:%d: %s\n", file, line, what);
        failures++;
    }
}

#define EXPECT(condition) expect((condition), __FILE__, __LINE__, #condition)

static inline void expect_ok(mmnas_status status, mmnas_error *error, const char *file, int line, const char *what)
{
    if (status != MMNAS_STATUS_OK || error != NULL) {
        fprintf(stderr, "%s:%d: %s: %s: %s\n", file, line, what, mmnas_status_name(status),
                mmnas_error_message(error, NULL));
        mmnas_error_free(error);
        failures++;
    }
}

/* A call with `&error` as its last argument, which must succeed. */
#define OK(call)                                                \
    do {                                                        \
        mmnas_error *error = NULL;                              \
        mmnas_status status = (call);                           \
        expect_ok(status, error, __FILE__, __LINE__, #call);    \
    } while (0)

/* A call with `&error` as its last argument, which must fail with this status and say why. */
#define FAILS(expected, call)                                                     \
    do {                                                                          \
        mmnas_error *error = NULL;                                                \
        mmnas_status status = (call);                                             \
        expect(status == (expected), __FILE__, __LINE__, #call " fails with " #expected); \
        if (status != (expected))                                                 \
            fprintf(stderr, "  %s: %s\n", mmnas_status_name(status), mmnas_error_message(error, NULL)); \
        EXPECT(mmnas_error_status(error) == status);                              \
        EXPECT(strlen(mmnas_error_message(error, NULL)) > 0);                     \
        mmnas_error_free(error);                                                  \
    } while (0)

#define FAILS_SILENTLY(call) EXPECT((call) != MMNAS_STATUS_OK)

#define TEXT(text) (text), strlen(text)

static inline int finished(void)
{
    if (failures > 0)
        return EXIT_FAILURE;
    printf("alive\n");
    return EXIT_SUCCESS;
}

#endif
