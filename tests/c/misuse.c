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

/* A call with nothing but NULL and zeros. */
#define REFUSED_WITH_NULL(call)                                          \
    do {                                                                 \
        mmnas_error *error = STALE(mmnas_error);                         \
        EXPECT((call) == MMNAS_STATUS_INVALID_ARGUMENT);                 \
        EXPECT(strstr(mmnas_error_message(error, NULL), "expected a") != NULL); \
        mmnas_error_free(error);                                         \
    } while (0)

/* Every function of the header that takes a pointer; a test compares the list with the header. */
static void nothing_at_all(void)
{
    EXPECT(strcmp(mmnas_model_variant(NULL, NULL), "") == 0);
    EXPECT(mmnas_verification_problem(NULL, 0, NULL) == NULL);
    REFUSED_WITH_NULL(mmnas_answers_get_logit(NULL, 0, NULL, NULL, &error));
    REFUSED_WITH_NULL(mmnas_index_get_image(NULL, NULL, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_index_find_images_batch(NULL, NULL, 0, 0, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_index_find_texts_batch(NULL, NULL, 0, 0, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_index_embedding(NULL, NULL, 0, NULL, 0, &error));
    REFUSED_WITH_NULL(mmnas_index_kind_of(NULL, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_index_get_text(NULL, NULL, 0, NULL, &error));
    EXPECT(mmnas_error_status(NULL) == MMNAS_STATUS_OK);
    EXPECT(mmnas_error_onnxruntime_code(NULL) == 0);
    mmnas_error_free(NULL);
    mmnas_options_free(NULL);
    REFUSED_WITH_NULL(mmnas_options_set_onnxruntime_library(NULL, NULL, 0, &error));
    REFUSED_WITH_NULL(mmnas_options_set_threads(NULL, 0, &error));
    REFUSED_WITH_NULL(mmnas_options_set_operators_at_once(NULL, 0, &error));
    REFUSED_WITH_NULL(mmnas_options_set_spinning(NULL, false, &error));
    REFUSED_WITH_NULL(mmnas_options_set_check_hashes(NULL, false, &error));
    REFUSED_WITH_NULL(mmnas_options_set_variant(NULL, NULL, 0, &error));
    REFUSED_WITH_NULL(mmnas_options_add_provider(NULL, 0, &error));
    REFUSED_WITH_NULL(mmnas_options_set_device(NULL, 0, &error));
    REFUSED_WITH_NULL(mmnas_options_set_memory_limit(NULL, 0, &error));
    REFUSED_WITH_NULL(mmnas_options_set_tensorrt(NULL, NULL, 0, false, &error));
    REFUSED_WITH_NULL(mmnas_files_add(NULL, NULL, 0, NULL, 0, &error));
    mmnas_files_free(NULL);
    REFUSED_WITH_NULL(mmnas_cancel_token_cancel(NULL, &error));
    EXPECT(!mmnas_cancel_token_is_cancelled(NULL));
    mmnas_cancel_token_free(NULL);
    REFUSED_WITH_NULL(mmnas_model_load(NULL, 0, NULL, NULL, &error));
    REFUSED_WITH_NULL(mmnas_model_load_files(NULL, NULL, NULL, &error));
    REFUSED_WITH_NULL(mmnas_model_limited(NULL, NULL, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_model_limited_to(NULL, NULL, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_model_warm_up(NULL, &error));
    EXPECT(mmnas_model_task(NULL) == 0);
    EXPECT(mmnas_model_provider(NULL) == 0);
    EXPECT(mmnas_model_feature_width(NULL) == 0);
    EXPECT(!mmnas_model_takes_pictures(NULL));
    EXPECT(mmnas_model_max_tokens(NULL) == 0);
    mmnas_model_free(NULL);
    EXPECT(strcmp(mmnas_model_folder(NULL, NULL), "") == 0);
    EXPECT(strcmp(mmnas_model_identity(NULL, NULL), "") == 0);
    EXPECT(strcmp(mmnas_model_vision_identity(NULL, NULL), "") == 0);
    EXPECT(strcmp(mmnas_model_architecture(NULL, NULL), "") == 0);
    EXPECT(mmnas_model_variant_count(NULL) == 0);
    EXPECT(mmnas_model_variant_at(NULL, 0, NULL) == NULL);
    EXPECT(mmnas_model_label_count(NULL) == 0);
    EXPECT(mmnas_model_label_at(NULL, SIZE_MAX, NULL) == NULL);
    EXPECT(mmnas_model_embedding_width(NULL) == 0);
    EXPECT(mmnas_model_hidden_width(NULL) == 0);
    EXPECT(mmnas_model_vocabulary_size(NULL) == 0);
    EXPECT(mmnas_model_max_regions(NULL) == 0);
    REFUSED_WITH_NULL(mmnas_image_embedding(NULL, NULL, NULL, 0, &error));
    REFUSED_WITH_NULL(mmnas_text_embedding(NULL, NULL, NULL, 0, &error));
    REFUSED_WITH_NULL(mmnas_regions_from_file(NULL, NULL, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_regions_from_bytes(NULL, NULL, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_regions_from_pixels(NULL, NULL, 0, 0, 0, 0, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_regions_encode(NULL, NULL, NULL, &error));
    EXPECT(mmnas_regions_count(NULL) == 0);
    mmnas_regions_size(NULL, NULL, NULL);
    EXPECT(mmnas_regions_features(NULL, NULL) == NULL);
    EXPECT(mmnas_regions_boxes(NULL, NULL) == NULL);
    mmnas_regions_free(NULL);
    REFUSED_WITH_NULL(mmnas_image_from_file_batch(NULL, NULL, NULL, 0, NULL, NULL, &error));
    REFUSED_WITH_NULL(mmnas_image_from_bytes_batch(NULL, NULL, NULL, 0, NULL, NULL, &error));
    REFUSED_WITH_NULL(mmnas_image_from_pixels_batch(NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, &error));
    REFUSED_WITH_NULL(mmnas_regions_from_file_batch(NULL, NULL, NULL, 0, NULL, NULL, &error));
    REFUSED_WITH_NULL(mmnas_regions_encode_batch(NULL, NULL, 0, NULL, NULL, &error));
    REFUSED_WITH_NULL(mmnas_batcher_create(NULL, 0, 0, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_batcher_answer(NULL, NULL, NULL, NULL, 0, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_batcher_ground(NULL, NULL, NULL, NULL, 0, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_batcher_match(NULL, NULL, NULL, NULL, 0, NULL, NULL, &error));
    mmnas_batcher_counts(NULL, NULL, NULL, NULL, NULL);
    REFUSED_WITH_NULL(mmnas_batcher_close(NULL, &error));
    mmnas_batcher_free(NULL);
    REFUSED_WITH_NULL(mmnas_image_from_file(NULL, NULL, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_image_from_bytes(NULL, NULL, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_image_from_pixels(NULL, NULL, 0, 0, 0, 0, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_image_from_regions(NULL, NULL, 0, NULL, 0, 0, 0, NULL, &error));
    mmnas_image_size(NULL, NULL, NULL);
    EXPECT(mmnas_image_region_count(NULL) == 0);
    REFUSED_WITH_NULL(mmnas_image_region_box(NULL, 0, NULL, &error));
    mmnas_image_free(NULL);
    REFUSED_WITH_NULL(mmnas_text_encode(NULL, NULL, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_text_unknown_words(NULL, NULL, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_text_encode_batch(NULL, NULL, NULL, 0, NULL, &error));
    EXPECT(mmnas_text_tokens(NULL) == 0);
    mmnas_text_free(NULL);
    REFUSED_WITH_NULL(mmnas_vqa_answer(NULL, NULL, NULL, 0, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_vqa_answer_batch(NULL, NULL, NULL, 0, 0, NULL, &error));
    EXPECT(mmnas_answers_count(NULL) == 0);
    REFUSED_WITH_NULL(mmnas_answers_get(NULL, 0, NULL, NULL, NULL, &error));
    mmnas_answers_free(NULL);
    REFUSED_WITH_NULL(mmnas_vgd_ground(NULL, NULL, NULL, 0, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_vgd_ground_batch(NULL, NULL, NULL, 0, 0, NULL, &error));
    EXPECT(mmnas_groundings_count(NULL) == 0);
    REFUSED_WITH_NULL(mmnas_groundings_get(NULL, 0, NULL, NULL, NULL, NULL, &error));
    REFUSED_WITH_NULL(mmnas_groundings_draw(NULL, NULL, 0, NULL, 0, &error));
    mmnas_groundings_free(NULL);
    REFUSED_WITH_NULL(mmnas_itm_match(NULL, NULL, NULL, 0, NULL, NULL, &error));
    REFUSED_WITH_NULL(mmnas_itm_rank_images(NULL, NULL, NULL, 0, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_itm_rank_texts(NULL, NULL, NULL, 0, 0, NULL, &error));
    EXPECT(mmnas_ranking_count(NULL) == 0);
    REFUSED_WITH_NULL(mmnas_ranking_get(NULL, 0, NULL, NULL, NULL, NULL, NULL, &error));
    REFUSED_WITH_NULL(mmnas_ranking_draw(NULL, NULL, 0, NULL, 0, NULL, 0, &error));
    mmnas_ranking_free(NULL);
    REFUSED_WITH_NULL(mmnas_index_create(NULL, NULL, 0, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_index_open(NULL, NULL, 0, 0, false, NULL, &error));
    REFUSED_WITH_NULL(mmnas_index_put_image(NULL, NULL, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_index_put_text(NULL, NULL, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_index_delete(NULL, NULL, 0, &error));
    REFUSED_WITH_NULL(mmnas_index_commit(NULL, &error));
    REFUSED_WITH_NULL(mmnas_index_compact(NULL, &error));
    EXPECT(mmnas_index_count(NULL) == 0);
    EXPECT(!mmnas_index_contains(NULL, NULL, 0));
    mmnas_index_bytes(NULL, NULL, NULL);
    EXPECT(mmnas_index_embedding_width(NULL) == 0);
    REFUSED_WITH_NULL(mmnas_index_keys(NULL, NULL, &error));
    REFUSED_WITH_NULL(mmnas_index_find_images(NULL, NULL, 0, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_index_find_texts(NULL, NULL, 0, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_index_export(NULL, NULL, 0, 0, &error));
    REFUSED_WITH_NULL(mmnas_index_limited_to(NULL, NULL, 0, NULL, &error));
    REFUSED_WITH_NULL(mmnas_log_listen(0, NULL, NULL, NULL, &error));
    mmnas_log_listener_free(NULL);
    mmnas_index_free(NULL);
    EXPECT(mmnas_keys_count(NULL) == 0);
    EXPECT(mmnas_keys_get(NULL, 0, NULL) == NULL);
    mmnas_keys_free(NULL);
    REFUSED_WITH_NULL(mmnas_explain(NULL, NULL, NULL, 0, NULL, &error));
    EXPECT(mmnas_explanation_word_count(NULL) == 0);
    REFUSED_WITH_NULL(mmnas_explanation_word(NULL, 0, NULL, NULL, NULL, &error));
    EXPECT(mmnas_explanation_region_count(NULL) == 0);
    REFUSED_WITH_NULL(mmnas_explanation_region(NULL, 0, NULL, NULL, &error));
    REFUSED_WITH_NULL(mmnas_explanation_draw(NULL, NULL, 0, NULL, 0, NULL, 0, &error));
    mmnas_explanation_free(NULL);
    REFUSED_WITH_NULL(mmnas_verify(NULL, 0, NULL, false, NULL, &error));
    EXPECT(!mmnas_verification_passed(NULL));
    EXPECT(mmnas_verification_count(NULL) == 0);
    REFUSED_WITH_NULL(mmnas_verification_get(NULL, 0, NULL, NULL, NULL, NULL, NULL, &error));
    mmnas_verification_free(NULL);
}

static void freed_and_foreign_handles(void)
{
    mmnas_options *options = mmnas_options_new();
    mmnas_files *files = mmnas_files_new();
    mmnas_cancel_token *token = mmnas_cancel_token_new();
    const char *stale = "options: expected a live mmnas_options, found one that was freed, or something else";
    int here = 0;

    EXPECT(mmnas_handles_live() == 3);
    REFUSED(mmnas_options_set_threads((mmnas_options *)(void *)files, 1, &error), stale);
    REFUSED(mmnas_options_set_threads((mmnas_options *)(void *)&here, 1, &error), stale);
    mmnas_options_free((mmnas_options *)(void *)token);
    mmnas_files_free((mmnas_files *)(void *)&here);
    EXPECT(mmnas_handles_live() == 3);
    mmnas_options_free(options);
    mmnas_options_free(options);
    REFUSED(mmnas_options_set_threads(options, 1, &error), stale);
    EXPECT(mmnas_options_new() != options);
    mmnas_files_free(files);
    REFUSED_SILENTLY(mmnas_files_add(files, "a", 1, NULL, 0, NULL));
    EXPECT(mmnas_cancel_token_cancel(token, NULL) == MMNAS_STATUS_OK);
    mmnas_cancel_token_free(token);
    EXPECT(!mmnas_cancel_token_is_cancelled(token));
    EXPECT(mmnas_handles_live() == 1);
}

static void nobody(void *user_data, int32_t level, const char *message, size_t message_len)
{
    (void)user_data, (void)level, (void)message, (void)message_len;
}

static void numbers_out_of_range(void)
{
    mmnas_options *options = mmnas_options_new();
    mmnas_image *images[1] = {STALE(mmnas_image)};
    mmnas_answers *answers[1] = {STALE(mmnas_answers)};

    REFUSED(mmnas_options_add_provider(options, 3, &error), "provider: expected one of mmnas_provider, 0 to 2, found 3");
    REFUSED(mmnas_options_set_device(options, -1, &error), "device: expected a number from 0, found -1");
    REFUSED(mmnas_options_set_operators_at_once(options, 0, &error), "operators: expected at least 1, found 0");
    REFUSED(mmnas_log_set(6, NULL, NULL, &error), "level: expected one of mmnas_log_level, 0 to 5, found 6");
    mmnas_log_listener *listener = STALE(mmnas_log_listener);
    REFUSED(mmnas_log_listen(-1, nobody, NULL, &listener, &error), "level: expected one of mmnas_log_level, 0 to 5, found -1");
    REFUSED(mmnas_log_listen(3, NULL, NULL, &listener, &error), "callback: expected a pointer, found NULL");
    EXPECT(listener == NULL);
    REFUSED_SILENTLY(mmnas_options_set_variant(options, "fp64", 4, NULL));
    REFUSED_SILENTLY(mmnas_options_set_variant(options, "fp64", SIZE_MAX, NULL));
    REFUSED_SILENTLY(mmnas_files_add(NULL, "a", SIZE_MAX, NULL, SIZE_MAX, NULL));
    REFUSED_SILENTLY(mmnas_vqa_answer_batch(NULL, (const mmnas_image *const *)images, NULL, SIZE_MAX, 1, NULL, NULL));
    REFUSED_SILENTLY(mmnas_vqa_answer_batch(NULL, NULL, NULL, 1, 1, answers, NULL));
    EXPECT(answers[0] == NULL);
    REFUSED_SILENTLY(mmnas_itm_match(NULL, NULL, NULL, SIZE_MAX, NULL, NULL, NULL));
    mmnas_options_free(options);
    EXPECT(strcmp(mmnas_status_name(MMNAS_STATUS_PROVIDER), "MMNAS_STATUS_PROVIDER") == 0);
    EXPECT(strcmp(mmnas_status_name(12345), "MMNAS_STATUS_UNKNOWN") == 0);
}

/* Lists of pictures without a model, and lengths that no list can have. */
static void batches_of_pictures(void)
{
    const char *paths[2] = {"x", "y"};
    size_t lengths[2] = {1, 1}, count = 12345;
    mmnas_image *images[2] = {STALE(mmnas_image), STALE(mmnas_image)};
    mmnas_error *errors[2] = {STALE(mmnas_error), STALE(mmnas_error)};
    mmnas_regions *regions = STALE(mmnas_regions);
    mmnas_batcher *batcher = STALE(mmnas_batcher);
    uint64_t answered = 12345;
    float probability = 0.5f;

    REFUSED(mmnas_image_from_file_batch(NULL, paths, lengths, 2, images, errors, &error),
            "model: expected a pointer, found NULL");
    EXPECT(images[0] == NULL && images[1] == NULL && errors[0] == NULL && errors[1] == NULL);
    REFUSED(mmnas_image_from_file_batch(NULL, paths, lengths, 2, NULL, errors, &error),
            "images_out: expected a pointer, found NULL");
    images[0] = STALE(mmnas_image);
    REFUSED_SILENTLY(mmnas_image_from_file_batch(NULL, paths, lengths, SIZE_MAX, images, errors, NULL));
    REFUSED_SILENTLY(mmnas_image_from_bytes_batch(NULL, NULL, NULL, SIZE_MAX, images, NULL, NULL));
    REFUSED_SILENTLY(mmnas_image_from_pixels_batch(NULL, NULL, NULL, NULL, NULL, NULL, NULL, SIZE_MAX, images, NULL, NULL));
    REFUSED_SILENTLY(mmnas_regions_encode_batch(NULL, NULL, SIZE_MAX, images, errors, NULL));
    REFUSED(mmnas_regions_from_file(NULL, "x", 1, &regions, &error), "model: expected a pointer, found NULL");
    EXPECT(regions == NULL);
    EXPECT(mmnas_regions_features(STALE(mmnas_regions), &count) == NULL && count == 0);
    REFUSED(mmnas_batcher_create(NULL, 16, 0, 16, &batcher, &error), "model: expected a pointer, found NULL");
    EXPECT(batcher == NULL);
    mmnas_batcher_counts(STALE(mmnas_batcher), &answered, NULL, NULL, NULL);
    EXPECT(answered == 0);
    REFUSED(mmnas_batcher_match(STALE(mmnas_batcher), NULL, NULL, "x", 1, &probability, NULL, &error),
            "batcher: expected a live mmnas_batcher, found one that was freed, or something else");
    EXPECT(!(probability > 0) && !(probability < 0));
}

int main(void)
{
    nothing_at_all();
    batches_of_pictures();
    freed_and_foreign_handles();
    numbers_out_of_range();
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
