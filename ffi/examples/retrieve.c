/*
 * Puts images into an index, and finds those that a text belongs to best. An index that is there already is opened, and gets
 * the images that it lacks.
 *
 *     ./retrieve BUNDLE INDEX TEXT IMAGE...
 *
 * How to install and link the library is written at the top of mmnas_runtime.h.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmnas_runtime.h"

/* Reports the error, frees it, and tells whether there was one. */
static int failed(mmnas_status status, mmnas_error *error)
{
    if (status == MMNAS_STATUS_OK)
        return 0;
    fprintf(stderr, "retrieve: %s: %s\n", mmnas_status_name(status), mmnas_error_message(error, NULL));
    mmnas_error_free(error);
    return 1;
}

static int add(const mmnas_model *model, mmnas_index *index, const char *file)
{
    mmnas_image *image = NULL;
    mmnas_error *error = NULL;

    if (mmnas_index_contains(index, file, strlen(file)))
        return 0;
    mmnas_status status = mmnas_image_from_file(model, file, strlen(file), &image, &error);
    if (failed(status, error))
        return 1;
    status = mmnas_index_put_image(index, file, strlen(file), image, &error);
    mmnas_image_free(image);
    return failed(status, error);
}

static int find(const mmnas_model *model, const mmnas_index *index, const char *words)
{
    mmnas_text *text = NULL;
    mmnas_ranking *ranking = NULL;
    mmnas_error *error = NULL;
    mmnas_status status = mmnas_text_encode(model, words, strlen(words), &text, &error);
    if (failed(status, error))
        return 1;

    /* Where the network has embeddings, it looks only at the hundred images that are nearest by them. */
    size_t shortlist = mmnas_index_embedding_width(index) > 0 ? 100 : 0;
    status = mmnas_index_find_images(index, text, 5, shortlist, &ranking, &error);
    mmnas_text_free(text);
    if (failed(status, error))
        return 1;

    for (size_t i = 0; i < mmnas_ranking_count(ranking); i++) {
        const char *key = NULL;
        float probability = 0;
        if (mmnas_ranking_get(ranking, i, NULL, &key, NULL, &probability, NULL, NULL) == MMNAS_STATUS_OK)
            printf("%.4f  %s\n", (double)probability, key);
    }
    mmnas_ranking_free(ranking);
    return 0;
}

static int work(const mmnas_model *model, int argc, char **argv)
{
    mmnas_index *index = NULL;
    mmnas_error *error = NULL;
    mmnas_status status =
        mmnas_index_create(model, argv[2], strlen(argv[2]), MMNAS_INDEX_KIND_IMAGES, &index, &error);
    if (status == MMNAS_STATUS_EXISTS) {
        mmnas_error_free(error);
        status = mmnas_index_open(model, argv[2], strlen(argv[2]), MMNAS_INDEX_KIND_IMAGES, true, &index, &error);
    }
    if (failed(status, error))
        return 1;

    int result = 0;
    for (int i = 4; i < argc && result == 0; i++)
        result = add(model, index, argv[i]);
    if (result == 0) {
        status = mmnas_index_commit(index, &error);
        result = failed(status, error);
    }
    if (result == 0)
        result = find(model, index, argv[3]);
    mmnas_index_free(index);
    return result;
}

int main(int argc, char **argv)
{
    mmnas_model *model = NULL;
    mmnas_error *error = NULL;

    if (argc < 4) {
        fprintf(stderr, "usage: retrieve BUNDLE INDEX TEXT IMAGE...\n");
        return EXIT_FAILURE;
    }

    mmnas_status status = mmnas_model_load(argv[1], strlen(argv[1]), NULL, &model, &error);
    if (failed(status, error))
        return EXIT_FAILURE;

    int result = work(model, argc, argv);
    mmnas_model_free(model);
    return result ? EXIT_FAILURE : EXIT_SUCCESS;
}
