/*
 * Calls every function with NULL and with lengths that cannot be, and checks that each call is refused with a message,
 * or does nothing. Prints "alive" and exits with 0 when all is as the header says. Takes no arguments.
 *
 * To reach the arguments that come after a handle it would need a model, hence a bundle, and ONNX Runtime: what it
 * checks there is that the missing handle is found first.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmnas_runtime.h"

static int failures;

static void expect(int holds, int line, const char *what)
{
    if (!holds) {
        fprintf(stderr, "misuse.c:%d: %s\n", line, what);
        failures++;
    }
}

#define EXPECT(condition) expect((condition), __LINE__, #condition)

/* The call was refused, with exactly this message. Frees the error. */
static void refused(mmnas_status status, mmnas_error *error, const char *expected, int line)
{
    size_t len = 12345;
    const char *message = mmnas_error_message(error, &len);

    expect(status == MMNAS_STATUS_INVALID_ARGUMENT, line, "the status is MMNAS_STATUS_INVALID_ARGUMENT");
    expect(error != NULL, line, "there is an error");
    expect(mmnas_error_status(error) == status, line, "the error has the status that was returned");
    expect(len == strlen(message), line, "the message is as long as it says");
    if (strcmp(message, expected) != 0) {
        fprintf(stderr, "misuse.c:%d: expected the message \"%s\", found \"%s\"\n", line, expected, message);
        failures++;
    }
    mmnas_error_free(error);
}

/* What an out-parameter holds before a call; the call must overwrite it. Never looked behind. */
static char somewhere;
#define STALE(type) ((type *)(void *)&somewhere)

/* One call with `error` as its last argument, which must be refused. The stale error shows that it is overwritten. */
#define REFUSED(call, message)                        \
    do {                                              \
        mmnas_error *error = STALE(mmnas_error);      \
        mmnas_status status = (call);                 \
        refused(status, error, (message), __LINE__);  \
    } while (0)

/* The same without a place for the error. */
#define REFUSED_SILENTLY(call) EXPECT((call) == MMNAS_STATUS_INVALID_ARGUMENT)

static void frees_and_counts(void)
{
    size_t len = 12345;

    mmnas_options_free(NULL);
    mmnas_model_free(NULL);
    mmnas_image_free(NULL);
    mmnas_answers_free(NULL);
    mmnas_error_free(NULL);
    EXPECT(mmnas_answers_count(NULL) == 0);
    EXPECT(mmnas_error_status(NULL) == MMNAS_STATUS_OK);
    EXPECT(strcmp(mmnas_error_message(NULL, &len), "") == 0);
    EXPECT(len == 0);
    EXPECT(strcmp(mmnas_error_message(NULL, NULL), "") == 0);
}

static void versions(void)
{
    EXPECT(strlen(mmnas_version()) > 0);
    EXPECT(mmnas_abi_version() == MMNAS_ABI_VERSION);
    EXPECT(sizeof(mmnas_status) == sizeof(int32_t));
}

static void options(void)
{
    mmnas_options *options = mmnas_options_new();
    mmnas_error *error = STALE(mmnas_error);

    EXPECT(options != NULL);
    REFUSED(mmnas_options_set_threads(NULL, 1, &error), "options: expected a pointer, found NULL");
    REFUSED(mmnas_options_set_check_hashes(NULL, true, &error), "options: expected a pointer, found NULL");
    REFUSED(mmnas_options_set_onnxruntime_library(NULL, "x", 1, &error), "options: expected a pointer, found NULL");
    REFUSED(mmnas_options_set_onnxruntime_library(options, NULL, 0, &error), "path: expected a pointer, found NULL");
    REFUSED(mmnas_options_set_onnxruntime_library(options, NULL, 7, &error), "path: expected a pointer, found NULL");
    REFUSED(mmnas_options_set_onnxruntime_library(options, "x", 0, &error), "path: expected a path, found an empty text");
    REFUSED(mmnas_options_set_onnxruntime_library(options, "\xC3(", 2, &error),
            "path: expected UTF-8, found byte 0xC3 at offset 0");
    REFUSED_SILENTLY(mmnas_options_set_threads(NULL, 1, NULL));
    REFUSED_SILENTLY(mmnas_options_set_check_hashes(NULL, true, NULL));
    REFUSED_SILENTLY(mmnas_options_set_onnxruntime_library(NULL, NULL, SIZE_MAX, NULL));
    REFUSED_SILENTLY(mmnas_options_set_onnxruntime_library(options, "x", SIZE_MAX, NULL));

    EXPECT(mmnas_options_set_threads(options, 0, &error) == MMNAS_STATUS_OK);
    EXPECT(error == NULL);
    EXPECT(mmnas_options_set_threads(options, SIZE_MAX, NULL) == MMNAS_STATUS_OK);
    EXPECT(mmnas_options_set_check_hashes(options, false, &error) == MMNAS_STATUS_OK);
    EXPECT(mmnas_options_set_onnxruntime_library(options, "xyz", 1, &error) == MMNAS_STATUS_OK);
    mmnas_options_free(options);
}

static void models(void)
{
    mmnas_model *model = STALE(mmnas_model);
    mmnas_error *error = STALE(mmnas_error);

    REFUSED(mmnas_model_load(NULL, 0, NULL, &model, &error), "path: expected a pointer, found NULL");
    EXPECT(model == NULL);
    model = STALE(mmnas_model);
    REFUSED(mmnas_model_load(NULL, 1, NULL, &model, &error), "path: expected a pointer, found NULL");
    EXPECT(model == NULL);
    REFUSED(mmnas_model_load("x", 1, NULL, NULL, &error), "model_out: expected a pointer, found NULL");
    REFUSED(mmnas_model_load("x", 0, NULL, &model, &error), "path: expected a path, found an empty text");
    REFUSED(mmnas_model_load("a\0b", 3, NULL, &model, &error), "path: expected a path without NUL, found NUL at offset 1");
    REFUSED(mmnas_model_load("bundle\xFF", 7, NULL, &model, &error),
            "path: expected UTF-8, found byte 0xFF at offset 6");
    REFUSED_SILENTLY(mmnas_model_load(NULL, 0, NULL, NULL, NULL));
    model = STALE(mmnas_model);
    REFUSED_SILENTLY(mmnas_model_load("x", SIZE_MAX, NULL, &model, NULL));
    EXPECT(model == NULL);

    /* Not misuse, but the plainest failure: whatever the status is, there is a message that names the folder. */
    model = STALE(mmnas_model);
    EXPECT(mmnas_model_load("no such bundle, or more", 14, NULL, &model, &error) != MMNAS_STATUS_OK);
    EXPECT(model == NULL);
    EXPECT(error != NULL);
    EXPECT(strlen(mmnas_error_message(error, NULL)) > 0);
    EXPECT(strstr(mmnas_error_message(error, NULL), "or more") == NULL);
    mmnas_error_free(error);
}

static void images(void)
{
    static const uint8_t bytes[1] = {0};
    mmnas_image *image = STALE(mmnas_image);

    REFUSED(mmnas_image_from_file(NULL, "x", 1, &image, &error), "model: expected a pointer, found NULL");
    EXPECT(image == NULL);
    image = STALE(mmnas_image);
    REFUSED(mmnas_image_from_bytes(NULL, bytes, 1, &image, &error), "model: expected a pointer, found NULL");
    EXPECT(image == NULL);
    REFUSED(mmnas_image_from_file(NULL, "x", 1, NULL, &error), "image_out: expected a pointer, found NULL");
    REFUSED(mmnas_image_from_bytes(NULL, bytes, 1, NULL, &error), "image_out: expected a pointer, found NULL");
    REFUSED_SILENTLY(mmnas_image_from_file(NULL, NULL, SIZE_MAX, NULL, NULL));
    REFUSED_SILENTLY(mmnas_image_from_bytes(NULL, NULL, SIZE_MAX, NULL, NULL));
    image = STALE(mmnas_image);
    REFUSED_SILENTLY(mmnas_image_from_bytes(NULL, bytes, SIZE_MAX, &image, NULL));
    EXPECT(image == NULL);
}

static void answers(void)
{
    mmnas_answers *answers = STALE(mmnas_answers);
    const char *label = &somewhere;
    size_t len = 12345;
    float probability = 0.5f;

    REFUSED(mmnas_vqa_answer(NULL, NULL, "x", 1, 1, &answers, &error), "model: expected a pointer, found NULL");
    EXPECT(answers == NULL);
    REFUSED(mmnas_vqa_answer(NULL, NULL, "x", 1, 1, NULL, &error), "answers_out: expected a pointer, found NULL");
    answers = STALE(mmnas_answers);
    REFUSED_SILENTLY(mmnas_vqa_answer(NULL, NULL, NULL, SIZE_MAX, SIZE_MAX, &answers, NULL));
    EXPECT(answers == NULL);
    REFUSED_SILENTLY(mmnas_vqa_answer(NULL, NULL, NULL, 0, 0, NULL, NULL));

    REFUSED(mmnas_answers_get(NULL, 0, &label, &len, &probability, &error), "answers: expected a pointer, found NULL");
    EXPECT(label == NULL);
    EXPECT(len == 0);
    EXPECT(!(probability > 0) && !(probability < 0));
    REFUSED(mmnas_answers_get(NULL, SIZE_MAX, NULL, NULL, NULL, &error), "answers: expected a pointer, found NULL");
    REFUSED_SILENTLY(mmnas_answers_get(NULL, 0, NULL, NULL, NULL, NULL));
}

int main(void)
{
    versions();
    frees_and_counts();
    options();
    models();
    images();
    answers();
    if (failures > 0)
        return EXIT_FAILURE;
    printf("alive\n");
    return EXIT_SUCCESS;
}
