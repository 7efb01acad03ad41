/*
 * Calls that have no time end at once, all of them and always; a search ends when another thread cancels its token.
 *
 *     limits VQA ITM VGD IMAGE SCRATCH
 *
 * Three bundles, an image file, and an existing empty folder to write to.
 */

#include <pthread.h>
#include <time.h>

#include "check.h"

#define TRIES 200

/* Counts the calls that ended as they should. */
static void ends(mmnas_status status, mmnas_error *error, int line, const char *what)
{
    if (status != MMNAS_STATUS_DEADLINE_EXCEEDED || mmnas_error_status(error) != status) {
        fprintf(stderr, "limits.c:%d: %s: %s: %s\n", line, what, mmnas_status_name(status), mmnas_error_message(error, NULL));
        failures++;
    }
    mmnas_error_free(error);
}

#define ENDS(call)                              \
    do {                                        \
        mmnas_error *error = NULL;              \
        mmnas_status status = (call);           \
        ends(status, error, __LINE__, #call);   \
    } while (0)

static const int64_t TIMES[] = {MMNAS_AT_ONCE, -1, INT64_MIN};

struct given {
    mmnas_model *model;
    mmnas_image *image;
    mmnas_regions *regions;
    mmnas_text *text;
    mmnas_batcher *batcher;
    const char *file;
    uint8_t bytes[1 << 16];
    size_t bytes_len;
    float *features;
    size_t width;
};

static void load(struct given *given, const char *bundle, const char *file)
{
    FILE *stream = fopen(file, "rb");

    given->file = file;
    given->bytes_len = stream ? fread(given->bytes, 1, sizeof given->bytes, stream) : 0;
    if (stream)
        fclose(stream);
    OK(mmnas_model_load(TEXT(bundle), NULL, &given->model, &error));
    OK(mmnas_image_from_file(given->model, TEXT(file), &given->image, &error));
    OK(mmnas_regions_from_file(given->model, TEXT(file), &given->regions, &error));
    OK(mmnas_text_encode(given->model, TEXT("what is this?"), &given->text, &error));
    OK(mmnas_batcher_create(given->model, 4, 0, 64, &given->batcher, &error));
    given->width = mmnas_model_feature_width(given->model);
    given->features = calloc(given->width, sizeof *given->features);
}

static void unload(struct given *given)
{
    free(given->features);
    mmnas_batcher_free(given->batcher);
    mmnas_text_free(given->text);
    mmnas_regions_free(given->regions);
    mmnas_image_free(given->image);
    mmnas_model_free(given->model);
}

/* What a model of any task does. */
static void any(const mmnas_model *late, const struct given *given)
{
    static const uint8_t pixels[4 * 4];
    static const float box[4] = {0, 0, 3, 3};
    static const char *const words[1] = {"what"};
    static const size_t lengths[1] = {4};
    mmnas_image *image = NULL;
    mmnas_text *text = NULL;
    mmnas_explanation *explanation = NULL;
    mmnas_regions *regions = NULL;
    mmnas_error *of_image = NULL;

    ENDS(mmnas_model_warm_up(late, &error));
    ENDS(mmnas_image_from_file(late, TEXT(given->file), &image, &error));
    ENDS(mmnas_image_from_bytes(late, given->bytes, given->bytes_len, &image, &error));
    ENDS(mmnas_image_from_pixels(late, pixels, sizeof pixels, 4, 4, 4, MMNAS_PIXEL_FORMAT_GREY, &image, &error));
    ENDS(mmnas_image_from_regions(late, given->features, given->width, box, 4, 9, 9, &image, &error));
    ENDS(mmnas_text_encode(late, TEXT("what"), &text, &error));
    ENDS(mmnas_text_encode_batch(late, words, lengths, 1, &text, &error));
    ENDS(mmnas_explain(late, given->image, TEXT("what"), &explanation, &error));
    ENDS(mmnas_regions_from_file(late, TEXT(given->file), &regions, &error));
    ENDS(mmnas_regions_from_bytes(late, given->bytes, given->bytes_len, &regions, &error));
    ENDS(mmnas_regions_from_pixels(late, pixels, sizeof pixels, 4, 4, 4, MMNAS_PIXEL_FORMAT_GREY, &regions, &error));
    ENDS(mmnas_regions_encode(late, given->regions, &image, &error));
    /* Of many pictures each has its own error. */
    OK(mmnas_image_from_file_batch(late, &given->file, (const size_t[1]){strlen(given->file)}, 1, &image, &of_image, &error));
    EXPECT(mmnas_error_status(of_image) == MMNAS_STATUS_DEADLINE_EXCEEDED);
    mmnas_error_free(of_image);
    EXPECT(image == NULL && text == NULL && explanation == NULL && regions == NULL);
}

static void vqa(const char *bundle, const char *file)
{
    static struct given given;
    mmnas_answers *answers = NULL;

    load(&given, bundle, file);
    for (int i = 0; i < TRIES; i++) {
        mmnas_model *late = NULL;
        OK(mmnas_model_limited_to(given.model, NULL, TIMES[i % 3], &late, &error));
        any(late, &given);
        ENDS(mmnas_vqa_answer(late, given.image, TEXT("what"), 1, &answers, &error));
        ENDS(mmnas_vqa_answer_batch(late, (const mmnas_image *const *)&given.image, (const mmnas_text *const *)&given.text, 1, 1,
                                    &answers, &error));
        ENDS(mmnas_vqa_answer_batch(late, NULL, NULL, 0, 1, &answers, &error));
        ENDS(mmnas_batcher_answer(given.batcher, late, given.image, TEXT("what"), 1, &answers, &error));
        mmnas_model_free(late);
    }
    /* No deadline is none, and one far away ends nothing; the function of before has its meaning of 0. */
    for (int i = 0; i < 4; i++) {
        mmnas_model *patient = NULL;
        if (i < 3)
            OK(mmnas_model_limited_to(given.model, NULL, i == 0 ? MMNAS_NO_DEADLINE : i == 1 ? MMNAS_NO_DEADLINE - 1 : 600000,
                                      &patient, &error));
        else
            OK(mmnas_model_limited(given.model, NULL, 0, &patient, &error));
        OK(mmnas_vqa_answer(patient, given.image, TEXT("what"), 1, &answers, &error));
        mmnas_answers_free(answers);
        mmnas_model_free(patient);
    }
    unload(&given);
}

static void vgd(const char *bundle, const char *file)
{
    static struct given given;
    mmnas_groundings *groundings = NULL;

    load(&given, bundle, file);
    for (int i = 0; i < TRIES; i++) {
        mmnas_model *late = NULL;
        OK(mmnas_model_limited_to(given.model, NULL, TIMES[i % 3], &late, &error));
        any(late, &given);
        ENDS(mmnas_vgd_ground(late, given.image, TEXT("what"), 1, &groundings, &error));
        ENDS(mmnas_batcher_ground(given.batcher, late, given.image, TEXT("what"), 1, &groundings, &error));
        ENDS(mmnas_vgd_ground_batch(late, (const mmnas_image *const *)&given.image, (const mmnas_text *const *)&given.text, 1, 1,
                                    &groundings, &error));
        mmnas_model_free(late);
    }
    unload(&given);
}

static void *cancel_soon(void *token)
{
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    OK(mmnas_cancel_token_cancel(token, &error));
    return NULL;
}

/* A search for so many texts that it takes minutes, by a handle with a token, while another handle goes on searching. */
static void cancelled(const mmnas_index *index, const mmnas_text *text, size_t shortlist)
{
    enum { MANY = 20000 };
    static const mmnas_text *texts[MANY];
    static mmnas_ranking *rankings[MANY];
    mmnas_cancel_token *token = mmnas_cancel_token_new();
    mmnas_index *limited = NULL;
    mmnas_ranking *one = NULL;
    pthread_t thread;
    struct timespec from, to;

    for (int i = 0; i < MANY; i++)
        texts[i] = text;
    OK(mmnas_index_limited_to(index, token, MMNAS_NO_DEADLINE, &limited, &error));
    clock_gettime(CLOCK_MONOTONIC, &from);
    EXPECT(pthread_create(&thread, NULL, cancel_soon, token) == 0);
    FAILS(MMNAS_STATUS_CANCELLED, mmnas_index_find_images_batch(limited, texts, MANY, 1, shortlist, rankings, &error));
    clock_gettime(CLOCK_MONOTONIC, &to);
    pthread_join(thread, NULL);
    EXPECT(to.tv_sec - from.tv_sec < 20);
    FAILS(MMNAS_STATUS_CANCELLED, mmnas_index_find_images(limited, text, 1, shortlist, &one, &error));
    /* Everything that is no search, and the other handle, go on. */
    EXPECT(mmnas_index_count(limited) == 300 && mmnas_index_contains(limited, "007", 3));
    OK(mmnas_index_find_images(index, text, 1, shortlist, &one, &error));
    mmnas_ranking_free(one);
    mmnas_index_free(limited);
    mmnas_cancel_token_free(token);
}

static void itm(const char *bundle, const char *file, const char *scratch)
{
    static struct given given;
    mmnas_index *images = NULL, *texts = NULL;
    mmnas_ranking *ranking = NULL;
    mmnas_image *image = NULL;
    mmnas_text *text = NULL;
    char path[4096], key[4];
    float logit = 0;

    load(&given, bundle, file);
    const mmnas_image *const *one_image = (const mmnas_image *const *)&given.image;
    const mmnas_text *const *one_text = (const mmnas_text *const *)&given.text;
    snprintf(path, sizeof path, "%s/images", scratch);
    OK(mmnas_index_create(given.model, TEXT(path), MMNAS_INDEX_KIND_IMAGES, &images, &error));
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "%03d", i);
        OK(mmnas_index_put_image(images, key, 3, given.image, &error));
    }
    OK(mmnas_index_commit(images, &error));
    snprintf(path, sizeof path, "%s/texts", scratch);
    OK(mmnas_index_create(given.model, TEXT(path), MMNAS_INDEX_KIND_TEXTS, &texts, &error));
    OK(mmnas_index_put_text(texts, TEXT("a"), given.text, &error));
    OK(mmnas_index_commit(texts, &error));
    for (int i = 0; i < TRIES; i++) {
        mmnas_model *late = NULL;
        mmnas_index *late_images = NULL, *late_texts = NULL;
        OK(mmnas_model_limited_to(given.model, NULL, TIMES[i % 3], &late, &error));
        OK(mmnas_index_limited_to(images, NULL, TIMES[i % 3], &late_images, &error));
        OK(mmnas_index_limited_to(texts, NULL, TIMES[i % 3], &late_texts, &error));
        any(late, &given);
        ENDS(mmnas_itm_match(late, one_image, one_text, 1, NULL, &logit, &error));
        ENDS(mmnas_itm_rank_images(late, given.text, one_image, 1, 1, &ranking, &error));
        ENDS(mmnas_itm_rank_texts(late, given.image, one_text, 1, 1, &ranking, &error));
        for (size_t shortlist = 0; shortlist < 2; shortlist++) {
            ENDS(mmnas_index_find_images(late_images, given.text, 1, shortlist, &ranking, &error));
            ENDS(mmnas_index_find_images_batch(late_images, one_text, 1, 1, shortlist, &ranking, &error));
            ENDS(mmnas_index_find_texts(late_texts, given.image, 1, shortlist, &ranking, &error));
            ENDS(mmnas_index_find_texts_batch(late_texts, one_image, 1, 1, shortlist, &ranking, &error));
        }
        ENDS(mmnas_index_get_image(late_images, "000", 3, &image, &error));
        ENDS(mmnas_index_get_text(late_texts, TEXT("a"), &text, &error));
        mmnas_index_free(late_texts);
        mmnas_index_free(late_images);
        mmnas_model_free(late);
    }
    cancelled(images, given.text, 0);
    cancelled(images, given.text, 100);

    /* What was opened with a limited model has its limits, and a search may have others. */
    mmnas_model *late = NULL;
    mmnas_index *of_late = NULL, *patient = NULL;
    OK(mmnas_model_limited_to(given.model, NULL, MMNAS_AT_ONCE, &late, &error));
    OK(mmnas_index_open(late, TEXT(path), MMNAS_INDEX_KIND_TEXTS, false, &of_late, &error));
    ENDS(mmnas_index_find_texts(of_late, given.image, 1, 0, &ranking, &error));
    OK(mmnas_index_limited_to(of_late, NULL, 600000, &patient, &error));
    /* The last handle keeps the index open. */
    mmnas_index_free(of_late);
    OK(mmnas_index_find_texts(patient, given.image, 1, 0, &ranking, &error));
    EXPECT(mmnas_ranking_count(ranking) == 1);
    mmnas_ranking_free(ranking);
    mmnas_index_free(patient);
    mmnas_model_free(late);

    /* Changes are the index's, by whatever handle. */
    OK(mmnas_index_limited_to(texts, NULL, MMNAS_AT_ONCE, &patient, &error));
    OK(mmnas_index_put_text(patient, TEXT("b"), given.text, &error));
    OK(mmnas_index_commit(patient, &error));
    EXPECT(mmnas_index_count(texts) == 2);
    mmnas_index_free(patient);
    mmnas_index_free(texts);
    mmnas_index_free(images);
    unload(&given);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: limits VQA ITM VGD IMAGE SCRATCH\n");
        return EXIT_FAILURE;
    }
    vqa(argv[1], argv[4]);
    itm(argv[2], argv[4], argv[5]);
    vgd(argv[3], argv[4]);
    EXPECT(mmnas_handles_live() == 0);
    return finished();
}
