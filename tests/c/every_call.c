/*
 * Uses everything that the library does for the three tasks, and compares what can be compared: batches with single calls, what
 * was freed with what is left, an index with the list that it holds.
 *
 *     every_call VQA ITM VGD IMAGE SCRATCH
 *
 * Three bundles (ITM with embeddings), an image file, and an existing empty folder to write to.
 */

#include <math.h>
#include <pthread.h>
#include <time.h>

#include "check.h"

static const char *file;
static const char *scratch;

#define COUNT 5

static const char *const TEXTS[COUNT] = {"what is this?", "a b", "what what what is", "one", "is it a and b or c or d"};

static int near(float a, float b)
{
    return fabsf(a - b) <= 1e-4f * (1 + fabsf(a));
}

static int rings;

static void ring(void *user_data, int32_t level, const char *message, size_t message_len)
{
    EXPECT(user_data == &rings);
    EXPECT(level >= MMNAS_LOG_LEVEL_ERROR && level <= MMNAS_LOG_LEVEL_INFO);
    EXPECT(strlen(message) == message_len);
    /* The listener must not call the library, and nothing bad happens when it does. */
    FAILS_SILENTLY(mmnas_log_set(0, NULL, NULL, NULL));
    EXPECT(mmnas_onnxruntime_path(NULL) == NULL);
    rings++;
}

/* What a listener was told, a line each. */
struct told {
    pthread_mutex_t mutex;
    size_t len;
    char lines[1 << 16];
};

static struct told informed = {.mutex = PTHREAD_MUTEX_INITIALIZER}, warned = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void note(void *user_data, int32_t level, const char *message, size_t message_len)
{
    struct told *told = user_data;

    EXPECT(level <= (told == &informed ? MMNAS_LOG_LEVEL_INFO : MMNAS_LOG_LEVEL_WARNING));
    pthread_mutex_lock(&told->mutex);
    if (told->len + message_len + 2 < sizeof told->lines) {
        memcpy(told->lines + told->len, message, message_len);
        told->len += message_len;
        told->lines[told->len++] = '\n';
    }
    pthread_mutex_unlock(&told->mutex);
}

/* Whether one line that was told begins with this and has this too. */
static int was_told(const char *beginning, const char *part)
{
    for (char *line = strstr(informed.lines, beginning); line; line = strstr(line + 1, beginning)) {
        char *found = strstr(line, part), *end = strchr(line, '\n');
        if ((line == informed.lines || line[-1] == '\n') && found && found < end)
            return 1;
    }
    fprintf(stderr, "not told: %s ... %s, but:\n%s", beginning, part, informed.lines);
    return 0;
}

static void what_was_loaded_is_told(char **argv)
{
    static const char *const TASKS[3] = {"vqa", "itm", "vgd"};
    char line[8192];

    for (int i = 0; i < 3; i++) {
        snprintf(line, sizeof line, "bundle loaded folder=\"%s\" task=%s form=ort-fp32 provider=cpu identity=\"", argv[1 + i],
                 TASKS[i]);
        EXPECT(was_told(line, mmnas_onnxruntime_path(NULL)));
        EXPECT(was_told(line, mmnas_onnxruntime_version(NULL)));
    }
    EXPECT(was_told("bundle loaded ", " form=ort-int8 "));
    snprintf(line, sizeof line, "index made folder=\"%s/images\" kind=image states=0 ", scratch);
    EXPECT(was_told(line, " access=\"write\" identity=\""));
    snprintf(line, sizeof line, "index opened folder=\"%s/images\" kind=image states=4 ", scratch);
    EXPECT(was_told(line, " access=\"read\" identity=\""));
    EXPECT(strstr(warned.lines, "bundle loaded") == NULL);
}

static mmnas_model *load(const char *bundle, const char *variant)
{
    mmnas_model *model = NULL;
    mmnas_options *options = mmnas_options_new();
    OK(mmnas_options_set_threads(options, 2, &error));
    OK(mmnas_options_set_operators_at_once(options, 1, &error));
    OK(mmnas_options_set_spinning(options, false, &error));
    OK(mmnas_options_set_variant(options, TEXT(variant), &error));
    OK(mmnas_options_add_provider(options, MMNAS_PROVIDER_CPU, &error));
    OK(mmnas_options_set_device(options, 0, &error));
    OK(mmnas_options_set_memory_limit(options, 0, &error));
    OK(mmnas_options_set_tensorrt(options, NULL, 0, false, &error));
    OK(mmnas_options_set_check_hashes(options, true, &error));
    OK(mmnas_model_load(TEXT(bundle), options, &model, &error));
    mmnas_options_free(options);
    OK(mmnas_model_warm_up(model, &error));
    EXPECT(mmnas_model_provider(model) == MMNAS_PROVIDER_CPU);
    EXPECT(variant[0] == 0 || strcmp(mmnas_model_variant(model, NULL), variant) == 0);
    EXPECT(mmnas_model_max_tokens(model) > 0);
    EXPECT(mmnas_model_feature_width(model) > 0);
    EXPECT(mmnas_model_takes_pictures(model));
    return model;
}

/* Images of every kind. */
static void look(const mmnas_model *model, mmnas_image *images[COUNT])
{
    size_t width = mmnas_model_feature_width(model);
    float *features = calloc(3 * width, sizeof *features);
    float boxes[12] = {0, 0, 10, 10, 5, 5, 30, 40, 1, 2, 3, 4};
    uint8_t pixels[64 * 50 * 4];
    FILE *stream = fopen(file, "rb");
    static uint8_t bytes[1 << 20];
    size_t len = stream ? fread(bytes, 1, sizeof bytes, stream) : 0;

    if (stream)
        fclose(stream);
    for (size_t i = 0; i < 3 * width; i++)
        features[i] = (float)(i % 13) / 13.0f - 0.5f;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 7);
    OK(mmnas_image_from_file(model, TEXT(file), &images[0], &error));
    OK(mmnas_image_from_bytes(model, bytes, len, &images[1], &error));
    OK(mmnas_image_from_pixels(model, pixels, sizeof pixels, 64, 50, 64 * 4, MMNAS_PIXEL_FORMAT_BGRA, &images[2], &error));
    OK(mmnas_image_from_pixels(model, pixels, 50 * 70, 64, 50, 70, MMNAS_PIXEL_FORMAT_GREY, &images[3], &error));
    OK(mmnas_image_from_regions(model, features, 3 * width, boxes, 12, 100, 80, &images[4], &error));
    EXPECT(mmnas_image_region_count(images[4]) == 3);

    uint32_t across = 0, down = 0;
    float box[4];
    mmnas_image_size(images[2], &across, &down);
    EXPECT(across == 64 && down == 50);
    OK(mmnas_image_region_box(images[4], 1, box, &error));
    EXPECT(near(box[0], 5) && near(box[3], 40));
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_image_region_box(images[4], 3, box, &error));
    EXPECT(near(box[3], 0));

    mmnas_image *none = NULL;
    FAILS(MMNAS_STATUS_IMAGE, mmnas_image_from_bytes(model, bytes, 5, &none, &error));
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_image_from_pixels(model, pixels, 10, 64, 50, 256, 0, &none, &error));
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT,
          mmnas_image_from_pixels(model, pixels, sizeof pixels, 64, 50, 256, 99, &none, &error));
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT,
          mmnas_image_from_regions(model, features, 3 * width, boxes, 11, 100, 80, &none, &error));
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT,
          mmnas_image_from_regions(model, features, 2 * width, boxes, 12, 100, 80, &none, &error));
    features[0] = NAN;
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT,
          mmnas_image_from_regions(model, features, 3 * width, boxes, 12, 100, 80, &none, &error));
    EXPECT(none == NULL);
    free(features);
}

static void read_texts(const mmnas_model *model, mmnas_text *texts[COUNT])
{
    size_t lengths[COUNT];
    mmnas_text *one = NULL;
    mmnas_keys *unknown = NULL;

    for (int i = 0; i < COUNT; i++)
        lengths[i] = strlen(TEXTS[i]);
    OK(mmnas_text_encode_batch(model, TEXTS, lengths, COUNT, texts, &error));
    OK(mmnas_text_encode(model, TEXT(TEXTS[0]), &one, &error));
    EXPECT(mmnas_text_tokens(one) == mmnas_text_tokens(texts[0]));
    mmnas_text_free(one);
    FAILS(MMNAS_STATUS_EMPTY_TEXT, mmnas_text_encode(model, TEXT("?"), &one, &error));
    lengths[3] = 0;
    mmnas_text *some[COUNT];
    /* This bundle knows no word at all. */
    OK(mmnas_text_unknown_words(model, TEXT("Wug?"), &unknown, &error));
    EXPECT(mmnas_keys_count(unknown) == 1);
    EXPECT(strcmp(mmnas_keys_get(unknown, 0, NULL), "Wug") == 0);
    mmnas_keys_free(unknown);
    FAILS(MMNAS_STATUS_EMPTY_TEXT, mmnas_text_encode_batch(model, TEXTS, lengths, COUNT, some, &error));
    for (int i = 0; i < COUNT; i++)
        EXPECT(some[i] == NULL);
}

static void explain(const mmnas_model *model, const mmnas_image *image, const char *name)
{
    mmnas_explanation *explanation = NULL;
    float sum = 0, weight = 0, box[4];
    const char *word = NULL;
    char path[4096];

    OK(mmnas_explain(model, image, TEXT(TEXTS[0]), &explanation, &error));
    EXPECT(mmnas_explanation_word_count(explanation) == 3);
    for (size_t i = 0; i < mmnas_explanation_word_count(explanation); i++) {
        OK(mmnas_explanation_word(explanation, i, &word, NULL, &weight, &error));
        sum += weight;
    }
    EXPECT(strcmp(word, "this") == 0);
    EXPECT(near(sum, 1));
    sum = 0;
    EXPECT(mmnas_explanation_region_count(explanation) == mmnas_image_region_count(image));
    for (size_t i = 0; i < mmnas_explanation_region_count(explanation); i++) {
        OK(mmnas_explanation_region(explanation, i, box, &weight, &error));
        sum += weight;
    }
    EXPECT(near(sum, 1));
    snprintf(path, sizeof path, "%s/%s.png", scratch, name);
    OK(mmnas_explanation_draw(explanation, TEXT(file), TEXT("title"), TEXT(path), &error));
    FAILS(MMNAS_STATUS_EXISTS, mmnas_explanation_draw(explanation, TEXT(file), TEXT("title"), TEXT(path), &error));
    mmnas_explanation_free(explanation);
}

/* What the bundle says of itself. */
static void describe(const mmnas_model *model, const char *bundle)
{
    size_t len = 99, labels = mmnas_model_label_count(model);

    EXPECT(strcmp(mmnas_model_folder(model, &len), bundle) == 0 && len == strlen(bundle));
    EXPECT(strlen(mmnas_model_identity(model, &len)) == 64 && len == 64);
    EXPECT(strlen(mmnas_model_vision_identity(model, NULL)) == 64);
    EXPECT(strlen(mmnas_model_architecture(model, &len)) == len && len > 0);
    EXPECT(mmnas_model_hidden_width(model) == 64 && mmnas_model_vocabulary_size(model) > 0);
    EXPECT(mmnas_model_max_regions(model) == 4);
    int runs = 0;
    for (size_t i = 0; i < mmnas_model_variant_count(model); i++)
        runs += strcmp(mmnas_model_variant_at(model, i, NULL), mmnas_model_variant(model, NULL)) == 0;
    EXPECT(runs == 1);
    EXPECT(mmnas_model_variant_at(model, mmnas_model_variant_count(model), &len) == NULL && len == 0);
    EXPECT(labels == (mmnas_model_task(model) == MMNAS_TASK_VQA ? 17 : 0));
    EXPECT(labels == 0 || strlen(mmnas_model_label_at(model, 16, &len)) == len);
    EXPECT(mmnas_model_label_at(model, labels, NULL) == NULL);
    EXPECT(mmnas_model_embedding_width(model) == (mmnas_model_task(model) == MMNAS_TASK_ITM ? 16 : 0));
}

/* What a model says of an image: one number. */
static float number_of(const mmnas_model *model, const mmnas_image *image)
{
    mmnas_answers *answers = NULL;
    mmnas_groundings *groundings = NULL;
    mmnas_text *text = NULL;
    float number = NAN;

    switch (mmnas_model_task(model)) {
    case MMNAS_TASK_VQA:
        OK(mmnas_vqa_answer(model, image, TEXT(TEXTS[0]), 1, &answers, &error));
        OK(mmnas_answers_get_logit(answers, 0, &number, NULL, &error));
        break;
    case MMNAS_TASK_VGD:
        OK(mmnas_vgd_ground(model, image, TEXT(TEXTS[0]), 1, &groundings, &error));
        OK(mmnas_groundings_get(groundings, 0, NULL, NULL, &number, NULL, &error));
        break;
    default:
        OK(mmnas_text_encode(model, TEXT(TEXTS[0]), &text, &error));
        OK(mmnas_itm_match(model, &image, (const mmnas_text *const *)&text, 1, NULL, &number, &error));
    }
    mmnas_answers_free(answers);
    mmnas_groundings_free(groundings);
    mmnas_text_free(text);
    return number;
}

/* Regions go out, come in again, and go to other models. */
static void regions(const char *const bundles[3])
{
    mmnas_model *models[3] = {0};
    mmnas_regions *seen = NULL, *other = NULL;
    mmnas_image *image = NULL, *again = NULL;
    uint8_t pixels[64 * 50 * 3];
    uint32_t width = 0, height = 0;
    size_t features_len = 0, boxes_len = 0;

    for (int i = 0; i < 3; i++)
        OK(mmnas_model_load(TEXT(bundles[i]), NULL, &models[i], &error));
    OK(mmnas_regions_from_file(models[0], TEXT(file), &seen, &error));
    const float *features = mmnas_regions_features(seen, &features_len);
    const float *boxes = mmnas_regions_boxes(seen, &boxes_len);
    mmnas_regions_size(seen, &width, &height);
    EXPECT(mmnas_regions_count(seen) == 4 && boxes_len == 16 && width == 90 && height == 60);
    EXPECT(features_len == 4 * mmnas_model_feature_width(models[0]));
    for (int i = 0; i < 3; i++) {
        mmnas_image *own = NULL;
        EXPECT(strcmp(mmnas_model_vision_identity(models[i], NULL), mmnas_model_vision_identity(models[0], NULL)) == 0);
        OK(mmnas_image_from_file(models[i], TEXT(file), &own, &error));
        OK(mmnas_regions_encode(models[i], seen, &image, &error));
        OK(mmnas_image_from_regions(models[i], features, features_len, boxes, boxes_len, width, height, &again, &error));
        /* The same numbers go through the same graphs. */
        float expected = number_of(models[i], own);
        EXPECT(near(number_of(models[i], image), expected) && near(number_of(models[i], again), expected));
        mmnas_image_free(own);
        mmnas_image_free(image);
        mmnas_image_free(again);
    }
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 7);
    OK(mmnas_regions_from_pixels(models[1], pixels, sizeof pixels, 64, 50, 64 * 3, MMNAS_PIXEL_FORMAT_RGB, &other, &error));
    EXPECT(mmnas_regions_count(other) == 4);
    mmnas_regions_free(other);
    FAILS(MMNAS_STATUS_IMAGE, mmnas_regions_from_bytes(models[1], pixels, 5, &other, &error));
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT,
          mmnas_regions_from_pixels(models[1], pixels, 10, 64, 50, 64 * 3, MMNAS_PIXEL_FORMAT_RGB, &other, &error));
    EXPECT(other == NULL);
    mmnas_model_free(models[0]);
    /* What a model found stays when it goes. */
    OK(mmnas_regions_encode(models[1], seen, &image, &error));
    mmnas_regions_free(seen);
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_regions_encode(models[1], seen, &again, &error));
    EXPECT(mmnas_image_region_count(image) == 4);
    mmnas_image_free(image);
    mmnas_model_free(models[1]);
    mmnas_model_free(models[2]);
}

/* Pictures in batches: what is wrong with one loses none of the others. */
static void pictures(const mmnas_model *model)
{
    const char *paths[5] = {file, "/nonexistent.png", file, "", file};
    const mmnas_status expected[5] = {MMNAS_STATUS_OK, MMNAS_STATUS_IO, MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT,
                                      MMNAS_STATUS_OK};
    size_t lengths[5], counts[5] = {0};
    mmnas_image *images[5] = {0}, *one = NULL;
    mmnas_regions *seen[5] = {0};
    mmnas_error *errors[5] = {0};
    uint8_t pixels[64 * 50 * 3];

    for (int i = 0; i < 5; i++)
        lengths[i] = strlen(paths[i]);
    OK(mmnas_image_from_file(model, TEXT(file), &one, &error));
    float number = number_of(model, one);
    mmnas_image_free(one);
    OK(mmnas_image_from_file_batch(model, paths, lengths, 5, images, errors, &error));
    for (int i = 0; i < 5; i++) {
        EXPECT(mmnas_error_status(errors[i]) == expected[i] && (images[i] != NULL) == (errors[i] == NULL));
        EXPECT(images[i] == NULL || near(number_of(model, images[i]), number));
        EXPECT(errors[i] == NULL || strstr(mmnas_error_message(errors[i], NULL), i == 1 ? "nonexistent" : "paths[3]"));
        mmnas_error_free(errors[i]);
        mmnas_image_free(images[i]);
    }
    OK(mmnas_image_from_file_batch(model, paths, lengths, 2, images, NULL, &error));
    EXPECT(images[0] != NULL && images[1] == NULL);
    mmnas_image_free(images[0]);
    OK(mmnas_regions_from_file_batch(model, paths, lengths, 3, seen, errors, &error));
    EXPECT(mmnas_regions_count(seen[0]) == 4 && seen[1] == NULL && errors[2] == NULL);
    mmnas_error_free(errors[1]);
    const mmnas_regions *both[2] = {seen[0], seen[2]};
    OK(mmnas_regions_encode_batch(model, both, 2, images, errors, &error));
    for (int i = 0; i < 2; i++) {
        EXPECT(near(number_of(model, images[i]), number));
        mmnas_image_free(images[i]);
    }
    both[1] = NULL;
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_regions_encode_batch(model, both, 2, images, errors, &error));
    EXPECT(images[0] == NULL && errors[1] == NULL);
    mmnas_regions_free(seen[0]);
    mmnas_regions_free(seen[2]);

    static uint8_t bytes[1 << 20];
    FILE *stream = fopen(file, "rb");
    counts[0] = stream ? fread(bytes, 1, sizeof bytes, stream) : 0;
    if (stream)
        fclose(stream);
    const uint8_t *contents[2] = {bytes, bytes};
    counts[1] = 5;
    OK(mmnas_image_from_bytes_batch(model, contents, counts, 2, images, errors, &error));
    EXPECT(near(number_of(model, images[0]), number) && mmnas_error_status(errors[1]) == MMNAS_STATUS_IMAGE);
    mmnas_image_free(images[0]);
    mmnas_error_free(errors[1]);

    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 7);
    const uint8_t *beginnings[3] = {pixels, pixels, pixels};
    const size_t sizes[3] = {sizeof pixels, sizeof pixels, 50 * 70}, strides[3] = {64 * 3, 64 * 3, 70};
    const uint32_t widths[3] = {64, 64, 64}, heights[3] = {50, 50, 50};
    const int32_t formats[3] = {MMNAS_PIXEL_FORMAT_BGR, 99, MMNAS_PIXEL_FORMAT_GREY};
    OK(mmnas_image_from_pixels_batch(model, beginnings, sizes, widths, heights, strides, formats, 3, images, errors, &error));
    EXPECT(mmnas_image_region_count(images[0]) == 4 && mmnas_image_region_count(images[2]) == 4 && images[1] == NULL);
    EXPECT(mmnas_error_status(errors[1]) == MMNAS_STATUS_INVALID_ARGUMENT);
    mmnas_error_free(errors[1]);
    mmnas_image_free(images[0]);
    mmnas_image_free(images[2]);
}

/* Calls that go through a batcher, and what ends them. */
static void batcher(const mmnas_model *model, const mmnas_image *image)
{
    mmnas_batcher *gathered = NULL, *none = NULL;
    mmnas_answers *answers = NULL;
    mmnas_groundings *groundings = NULL;
    mmnas_model *limited = NULL;
    uint64_t answered = 0, refused = 99, batches = 0;
    float expected = number_of(model, image), found = NAN;

    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_batcher_create(model, 0, 0, 16, &none, &error));
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_batcher_create(model, 16, 0, 0, &none, &error));
    OK(mmnas_batcher_create(model, 16, 1000, 16, &gathered, &error));
    switch (mmnas_model_task(model)) {
    case MMNAS_TASK_VQA:
        OK(mmnas_batcher_answer(gathered, model, image, TEXT(TEXTS[0]), 1, &answers, &error));
        OK(mmnas_answers_get_logit(answers, 0, &found, NULL, &error));
        mmnas_answers_free(answers);
        FAILS(MMNAS_STATUS_EMPTY_TEXT, mmnas_batcher_answer(gathered, model, image, TEXT("?"), 1, &answers, &error));
        FAILS(MMNAS_STATUS_WRONG_TASK, mmnas_batcher_match(gathered, model, image, TEXT("a"), NULL, NULL, &error));
        break;
    case MMNAS_TASK_VGD:
        OK(mmnas_batcher_ground(gathered, model, image, TEXT(TEXTS[0]), 1, &groundings, &error));
        OK(mmnas_groundings_get(groundings, 0, NULL, NULL, &found, NULL, &error));
        mmnas_groundings_free(groundings);
        FAILS(MMNAS_STATUS_INVALID_ARGUMENT,
              mmnas_batcher_ground(gathered, model, image, TEXT(TEXTS[0]), 0, &groundings, &error));
        break;
    default:
        OK(mmnas_batcher_match(gathered, model, image, TEXT(TEXTS[0]), NULL, &found, &error));
        FAILS(MMNAS_STATUS_WRONG_TASK, mmnas_batcher_answer(gathered, model, image, TEXT("a"), 1, &answers, &error));
    }
    EXPECT(near(found, expected));

    mmnas_cancel_token *token = mmnas_cancel_token_new();
    OK(mmnas_model_limited(model, token, 600000, &limited, &error));
    OK(mmnas_cancel_token_cancel(token, &error));
    FAILS(MMNAS_STATUS_CANCELLED, mmnas_batcher_match(gathered, limited, image, TEXT("a"), NULL, NULL, &error));
    mmnas_cancel_token_free(token);
    mmnas_model_free(limited);
    OK(mmnas_model_limited(model, NULL, 1, &limited, &error));
    nanosleep(&(struct timespec){0, 5000000}, NULL);
    FAILS(MMNAS_STATUS_DEADLINE_EXCEEDED, mmnas_batcher_answer(gathered, limited, image, TEXT("a"), 1, &answers, &error));
    mmnas_model_free(limited);

    OK(mmnas_batcher_close(gathered, &error));
    OK(mmnas_batcher_close(gathered, &error));
    mmnas_batcher_counts(gathered, &answered, &refused, NULL, &batches);
    EXPECT(answered >= 2 && refused == 0 && batches >= 2);
    FAILS(MMNAS_STATUS_CLOSED, mmnas_batcher_match(gathered, model, image, TEXT("a"), NULL, NULL, &error));
    mmnas_batcher_free(gathered);
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_batcher_match(gathered, model, image, TEXT("a"), NULL, NULL, &error));
    /* One that was asked nothing, and was not closed. */
    OK(mmnas_batcher_create(model, 1, 0, 1, &gathered, &error));
    mmnas_batcher_free(gathered);
}

static void vqa(const char *bundle)
{
    mmnas_model *model = load(bundle, "ort-int8");
    mmnas_model_free(model);
    model = load(bundle, "");
    mmnas_image *images[COUNT] = {0};
    mmnas_text *questions[COUNT] = {0};
    mmnas_answers *all[COUNT] = {0}, *one = NULL;

    EXPECT(mmnas_model_task(model) == MMNAS_TASK_VQA);
    look(model, images);
    read_texts(model, questions);
    OK(mmnas_vqa_answer_batch(model, (const mmnas_image *const *)images, (const mmnas_text *const *)questions, COUNT, 4, all,
                              &error));
    for (int i = 0; i < COUNT; i++) {
        OK(mmnas_vqa_answer(model, images[i], TEXT(TEXTS[i]), 4, &one, &error));
        EXPECT(mmnas_answers_count(one) == 4 && mmnas_answers_count(all[i]) == 4);
        for (size_t k = 0; k < 4; k++) {
            const char *a = NULL, *b = NULL;
            size_t a_len = 0;
            float p = 0, q = 0;
            OK(mmnas_answers_get(one, k, &a, &a_len, &p, &error));
            OK(mmnas_answers_get(all[i], k, &b, NULL, &q, &error));
            EXPECT(near(p, q) && strlen(a) == a_len && strlen(b) > 0);
            float logit = 0;
            size_t place = 99;
            OK(mmnas_answers_get_logit(one, k, &logit, &place, &error));
            EXPECT(near(p, 1 / (1 + expf(-logit))) && place == (size_t)atoi(a));
        }
        FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_answers_get(one, 4, NULL, NULL, NULL, &error));
        mmnas_answers_free(one);
        mmnas_answers_free(all[i]);
    }
    explain(model, images[0], "why");
    describe(model, bundle);
    pictures(model);
    batcher(model, images[0]);
    float none[16];
    FAILS(MMNAS_STATUS_WRONG_TASK, mmnas_image_embedding(model, images[0], none, 16, &error));
    FAILS(MMNAS_STATUS_WRONG_TASK, mmnas_text_embedding(model, questions[0], none, 16, &error));

    mmnas_cancel_token *token = mmnas_cancel_token_new();
    mmnas_model *limited = NULL;
    mmnas_image *late = NULL;
    OK(mmnas_model_limited(model, token, 600000, &limited, &error));
    mmnas_answers *answers = NULL;
    OK(mmnas_vqa_answer(limited, images[0], TEXT("what"), 1, &answers, &error));
    mmnas_answers_free(answers);
    EXPECT(!mmnas_cancel_token_is_cancelled(token));
    OK(mmnas_cancel_token_cancel(token, &error));
    EXPECT(mmnas_cancel_token_is_cancelled(token));
    FAILS(MMNAS_STATUS_CANCELLED, mmnas_image_from_file(limited, TEXT(file), &late, &error));
    FAILS(MMNAS_STATUS_CANCELLED, mmnas_vqa_answer(limited, images[0], TEXT("what"), 1, &answers, &error));
    EXPECT(answers == NULL);
    mmnas_model_free(limited);
    mmnas_cancel_token_free(token);
    OK(mmnas_model_limited(model, NULL, 1, &limited, &error));
    nanosleep(&(struct timespec){0, 5000000}, NULL);
    FAILS(MMNAS_STATUS_DEADLINE_EXCEEDED, mmnas_vqa_answer(limited, images[0], TEXT("what"), 1, &answers, &error));
    mmnas_model_free(limited);
    OK(mmnas_vqa_answer_batch(model, NULL, NULL, 0, 1, all, &error));

    mmnas_groundings *groundings = NULL;
    mmnas_index *index = NULL;
    FAILS(MMNAS_STATUS_WRONG_TASK, mmnas_index_create(model, "no", 2, MMNAS_INDEX_KIND_IMAGES, &index, &error));
    FAILS(MMNAS_STATUS_WRONG_TASK, mmnas_vgd_ground(model, images[0], TEXT("what"), 1, &groundings, &error));
    /* Handles are told apart: a text is no image, and what was freed is nothing. */
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT,
          mmnas_vqa_answer(model, (const mmnas_image *)(const void *)questions[0], TEXT("what"), 1, &answers, &error));
    for (int i = 0; i < COUNT; i++) {
        mmnas_image_free(images[i]);
        mmnas_image_free(images[i]);
        mmnas_text_free(questions[i]);
    }
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_vqa_answer(model, images[0], TEXT("what"), 1, &answers, &error));
    mmnas_model_free(model);
    mmnas_model_free(model);
    EXPECT(mmnas_model_task(model) == MMNAS_TASK_NONE);
}

static void vgd(const char *bundle)
{
    mmnas_model *model = load(bundle, "");
    mmnas_image *images[COUNT] = {0};
    mmnas_text *phrases[COUNT] = {0};
    mmnas_groundings *all[COUNT] = {0}, *one = NULL;
    char path[4096];

    EXPECT(mmnas_model_task(model) == MMNAS_TASK_VGD);
    look(model, images);
    read_texts(model, phrases);
    OK(mmnas_vgd_ground_batch(model, (const mmnas_image *const *)images, (const mmnas_text *const *)phrases, COUNT, 2, all,
                              &error));
    for (int i = 0; i < COUNT; i++) {
        OK(mmnas_vgd_ground(model, images[i], TEXT(TEXTS[i]), 2, &one, &error));
        EXPECT(mmnas_groundings_count(one) == 2 && mmnas_groundings_count(all[i]) == 2);
        float a[4], b[4], p = 0, q = 0, score = 1e30f;
        size_t region = 99;
        OK(mmnas_groundings_get(one, 0, a, &p, &score, &region, &error));
        OK(mmnas_groundings_get(all[i], 0, b, &q, NULL, NULL, &error));
        EXPECT(near(p, q) && near(a[2], b[2]) && score < 1e30f && region < mmnas_image_region_count(images[i]));
        if (i == 0) {
            snprintf(path, sizeof path, "%s/where.png", scratch);
            OK(mmnas_groundings_draw(one, TEXT(file), TEXT(path), &error));
        }
        mmnas_groundings_free(one);
        mmnas_groundings_free(all[i]);
    }
    explain(model, images[0], "ground");
    describe(model, bundle);
    pictures(model);
    batcher(model, images[0]);
    for (int i = 0; i < COUNT; i++) {
        mmnas_image_free(images[i]);
        mmnas_text_free(phrases[i]);
    }
    mmnas_model_free(model);
}

static void search(const mmnas_model *model, mmnas_image *images[COUNT], mmnas_text *texts[COUNT])
{
    char folder[4096], path[4096], key[2] = "a";
    mmnas_index *index = NULL, *other = NULL;
    mmnas_ranking *listed = NULL, *found = NULL;
    mmnas_keys *keys = NULL;
    uint64_t bytes = 0, garbage = 1;

    snprintf(folder, sizeof folder, "%s/images", scratch);
    OK(mmnas_index_create(model, TEXT(folder), MMNAS_INDEX_KIND_IMAGES, &index, &error));
    FAILS(MMNAS_STATUS_EXISTS, mmnas_index_create(model, TEXT(folder), MMNAS_INDEX_KIND_IMAGES, &other, &error));
    mmnas_error *busy = NULL;
    EXPECT(mmnas_index_open(model, TEXT(folder), MMNAS_INDEX_KIND_IMAGES, true, &other, &busy) == MMNAS_STATUS_EXISTS);
    EXPECT(strstr(mmnas_error_message(busy, NULL), "is being written by this process itself") != NULL);
    mmnas_error_free(busy);
    for (int i = 0; i < COUNT; i++) {
        key[0] = (char)('a' + i);
        OK(mmnas_index_put_image(index, key, 1, images[i], &error));
    }
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_index_put_text(index, key, 1, texts[0], &error));
    EXPECT(mmnas_index_count(index) == 0);
    OK(mmnas_index_commit(index, &error));
    EXPECT(mmnas_index_count(index) == COUNT && mmnas_index_contains(index, "c", 1) && !mmnas_index_contains(index, "z", 1));
    EXPECT(mmnas_index_embedding_width(index) > 0);
    mmnas_index_bytes(index, &bytes, &garbage);
    EXPECT(bytes > 0 && garbage == 0);

    OK(mmnas_itm_rank_images(model, texts[0], (const mmnas_image *const *)images, COUNT, COUNT, &listed, &error));
    OK(mmnas_index_find_images(index, texts[0], COUNT, 0, &found, &error));
    EXPECT(mmnas_ranking_count(listed) == COUNT && mmnas_ranking_count(found) == COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        size_t place = 99;
        const char *name = NULL;
        float p = 0, q = 0, logit = 0;
        OK(mmnas_ranking_get(listed, i, &place, NULL, NULL, &p, &logit, &error));
        OK(mmnas_ranking_get(found, i, NULL, &name, NULL, &q, NULL, &error));
        /* The index keeps 16 bits of each number. */
        EXPECT(fabsf(p - q) < 5e-3f && place < COUNT && strlen(name) == 1);
    }
    mmnas_ranking_free(found);
    OK(mmnas_index_find_images(index, texts[0], 2, 3, &found, &error));
    EXPECT(mmnas_ranking_count(found) == 2);
    mmnas_ranking_free(found);
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_index_find_texts(index, images[0], 1, 0, &found, &error));
    mmnas_ranking *both[2] = {0};
    OK(mmnas_index_find_images_batch(index, (const mmnas_text *const *)texts, 2, COUNT, 0, both, &error));
    for (size_t i = 0; i < 2; i++) {
        const char *a = NULL, *b = NULL;
        OK(mmnas_index_find_images(index, texts[i], 1, 0, &found, &error));
        OK(mmnas_ranking_get(found, 0, NULL, &a, NULL, NULL, NULL, &error));
        OK(mmnas_ranking_get(both[i], 0, NULL, &b, NULL, NULL, NULL, &error));
        EXPECT(strcmp(a, b) == 0 && mmnas_ranking_count(both[i]) == COUNT);
        mmnas_ranking_free(found);
        mmnas_ranking_free(both[i]);
    }
    found = NULL;
    float embedding[16], length = 0;
    mmnas_index_kind kind = MMNAS_INDEX_KIND_TEXTS;
    OK(mmnas_index_embedding(index, "a", 1, embedding, mmnas_index_embedding_width(index), &error));
    for (size_t i = 0; i < 16; i++)
        length += embedding[i] * embedding[i];
    EXPECT(fabsf(length - 1) < 5e-3f);
    /* Without the index, in 32 bits. */
    float direct[16], of_text[16];
    OK(mmnas_image_embedding(model, images[0], direct, mmnas_model_embedding_width(model), &error));
    OK(mmnas_text_embedding(model, texts[0], of_text, 16, &error));
    length = 0;
    for (size_t i = 0; i < 16; i++) {
        EXPECT(fabsf(direct[i] - embedding[i]) < 5e-3f);
        length += of_text[i] * of_text[i];
    }
    EXPECT(fabsf(length - 1) < 1e-4f);
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_image_embedding(model, images[0], direct, 15, &error));
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_text_embedding(model, texts[0], NULL, 16, &error));
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_index_embedding(index, "a", 1, embedding, 15, &error));
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_index_embedding(index, "z", 1, embedding, 16, &error));
    OK(mmnas_index_kind_of(TEXT(folder), &kind, &error));
    EXPECT(kind == MMNAS_INDEX_KIND_IMAGES);
    FAILS(MMNAS_STATUS_IO, mmnas_index_kind_of(TEXT("/nonexistent"), &kind, &error));
    snprintf(path, sizeof path, "%s/ranking.png", scratch);
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_ranking_draw(listed, TEXT(scratch), TEXT("title"), TEXT(path), &error));
    mmnas_ranking_free(listed);
    EXPECT(found == NULL);
    mmnas_image *stored = NULL;
    OK(mmnas_index_get_image(index, "c", 1, &stored, &error));
    EXPECT(mmnas_image_region_count(stored) == mmnas_image_region_count(images[2]));
    mmnas_image_free(stored);
    OK(mmnas_index_get_image(index, "z", 1, &stored, &error));
    EXPECT(stored == NULL);

    snprintf(path, sizeof path, "%s/embeddings.npy", scratch);
    OK(mmnas_index_export(index, TEXT(path), MMNAS_EMBEDDING_FORMAT_NPY, &error));
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_index_export(index, TEXT(path), 1, &error));
    OK(mmnas_index_delete(index, "b", 1, &error));
    OK(mmnas_index_put_image(index, "a", 1, images[1], &error));
    OK(mmnas_index_compact(index, &error));
    OK(mmnas_index_keys(index, &keys, &error));
    EXPECT(mmnas_keys_count(keys) == COUNT - 1);
    EXPECT(strcmp(mmnas_keys_get(keys, 1, NULL), "c") == 0);
    EXPECT(mmnas_keys_get(keys, COUNT, NULL) == NULL);
    mmnas_keys_free(keys);
    mmnas_index_free(index);
    OK(mmnas_index_open(model, TEXT(folder), MMNAS_INDEX_KIND_IMAGES, false, &index, &error));
    EXPECT(mmnas_index_count(index) == COUNT - 1);
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_index_delete(index, "a", 1, &error));
    mmnas_index_free(index);
    FAILS(MMNAS_STATUS_INVALID_BUNDLE, mmnas_index_open(model, TEXT(folder), MMNAS_INDEX_KIND_TEXTS, false, &index, &error));

    snprintf(folder, sizeof folder, "%s/texts", scratch);
    OK(mmnas_index_create(model, TEXT(folder), MMNAS_INDEX_KIND_TEXTS, &index, &error));
    for (int i = 0; i < COUNT; i++)
        OK(mmnas_index_put_text(index, TEXT(TEXTS[i]), texts[i], &error));
    OK(mmnas_index_commit(index, &error));
    mmnas_text *kept = NULL;
    OK(mmnas_index_get_text(index, TEXT(TEXTS[1]), &kept, &error));
    EXPECT(mmnas_text_tokens(kept) == mmnas_text_tokens(texts[1]));
    mmnas_text_free(kept);
    FAILS(MMNAS_STATUS_INVALID_ARGUMENT, mmnas_index_get_image(index, "c", 1, &stored, &error));
    OK(mmnas_index_find_texts_batch(index, (const mmnas_image *const *)images, 1, 3, 0, &found, &error));
    EXPECT(mmnas_ranking_count(found) == 3);
    mmnas_ranking_free(found);
    OK(mmnas_index_find_texts(index, images[0], 3, 0, &found, &error));
    EXPECT(mmnas_ranking_count(found) == 3);
    mmnas_ranking_free(found);
    OK(mmnas_itm_rank_texts(model, images[0], (const mmnas_text *const *)texts, COUNT, 3, &found, &error));
    EXPECT(mmnas_ranking_count(found) == 3);
    mmnas_ranking_free(found);
    mmnas_index_free(index);
}

static void itm(const char *bundle)
{
    mmnas_model *model = load(bundle, "");
    mmnas_image *images[COUNT] = {0};
    mmnas_text *texts[COUNT] = {0};
    float probabilities[COUNT], logits[COUNT], one = 0;

    EXPECT(mmnas_model_task(model) == MMNAS_TASK_ITM);
    look(model, images);
    read_texts(model, texts);
    OK(mmnas_itm_match(model, (const mmnas_image *const *)images, (const mmnas_text *const *)texts, COUNT, probabilities,
                       logits, &error));
    for (int i = 0; i < COUNT; i++) {
        OK(mmnas_itm_match(model, (const mmnas_image *const *)&images[i], (const mmnas_text *const *)&texts[i], 1, NULL, &one,
                           &error));
        EXPECT(near(one, logits[i]));
        EXPECT(near(probabilities[i], 1 / (1 + expf(-logits[i]))));
    }
    search(model, images, texts);
    explain(model, images[0], "match");
    describe(model, bundle);
    pictures(model);
    batcher(model, images[0]);
    for (int i = 0; i < COUNT; i++) {
        mmnas_image_free(images[i]);
        mmnas_text_free(texts[i]);
    }
    mmnas_model_free(model);
}

static void verify(const char *bundle)
{
    mmnas_verification *verification = NULL;
    mmnas_options *options = mmnas_options_new();

    OK(mmnas_options_set_variant(options, TEXT("ort-fp32"), &error));
    OK(mmnas_verify(TEXT(bundle), options, true, &verification, &error));
    EXPECT(mmnas_verification_passed(verification));
    EXPECT(mmnas_verification_count(verification) >= 4);
    for (size_t i = 0; i < mmnas_verification_count(verification); i++) {
        const char *stage = NULL, *variant = NULL;
        double difference = 9, tolerance = 0, milliseconds = 0;
        OK(mmnas_verification_get(verification, i, &stage, &variant, &difference, &tolerance, &milliseconds, &error));
        EXPECT(strcmp(mmnas_verification_problem(verification, i, NULL), "") == 0);
        EXPECT(difference <= tolerance && strlen(stage) > 0 && strlen(variant) > 0);
    }
    mmnas_verification_free(verification);
    mmnas_options_free(options);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: every_call VQA ITM VGD IMAGE SCRATCH\n");
        return EXIT_FAILURE;
    }
    file = argv[4];
    scratch = argv[5];
    EXPECT(mmnas_onnxruntime_path(NULL) == NULL);
    mmnas_log_listener *of_infos = NULL, *of_warnings = NULL;
    OK(mmnas_log_set(MMNAS_LOG_LEVEL_INFO, ring, &rings, &error));
    OK(mmnas_log_listen(MMNAS_LOG_LEVEL_WARNING, note, &warned, &of_warnings, &error));
    OK(mmnas_log_listen(MMNAS_LOG_LEVEL_INFO, note, &informed, &of_infos, &error));
    vqa(argv[1]);
    EXPECT(rings > 0);
    OK(mmnas_log_set(MMNAS_LOG_LEVEL_OFF, NULL, NULL, &error));
    size_t len = 0;
    EXPECT(strlen(mmnas_onnxruntime_path(&len)) == len && len > 0);
    EXPECT(strncmp(mmnas_onnxruntime_version(NULL), "1.", 2) == 0);
    itm(argv[2]);
    mmnas_log_listener_free(of_warnings);
    vgd(argv[3]);
    what_was_loaded_is_told(argv);
    mmnas_log_listener_free(of_infos);
    size_t told = informed.len;
    regions((const char *const[3]){argv[1], argv[2], argv[3]});
    verify(argv[1]);
    EXPECT(informed.len == told);
    EXPECT(mmnas_handles_live() == 0);
    return finished();
}
