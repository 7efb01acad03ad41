/*
 * Finds the three parts of an image that a phrase most probably means, and draws them where a file to write is given.
 *
 *     ./ground BUNDLE IMAGE PHRASE [PICTURE.png]
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
    fprintf(stderr, "ground: %s: %s\n", mmnas_status_name(status), mmnas_error_message(error, NULL));
    mmnas_error_free(error);
    return 1;
}

static int print_groundings(const mmnas_groundings *groundings)
{
    for (size_t i = 0; i < mmnas_groundings_count(groundings); i++) {
        float box[4], probability = 0;
        mmnas_error *error = NULL;
        mmnas_status status = mmnas_groundings_get(groundings, i, box, &probability, NULL, NULL, &error);
        if (failed(status, error))
            return 1;
        printf("%5.1f %%  %.0f %.0f %.0f %.0f\n", 100.0 * (double)probability, (double)box[0], (double)box[1],
               (double)box[2], (double)box[3]);
    }
    return 0;
}

static int ground(const mmnas_model *model, const mmnas_image *image, char **argv, const char *picture)
{
    mmnas_groundings *groundings = NULL;
    mmnas_error *error = NULL;
    mmnas_status status = mmnas_vgd_ground(model, image, argv[3], strlen(argv[3]), 3, &groundings, &error);
    if (failed(status, error))
        return 1;

    int result = print_groundings(groundings);
    if (result == 0 && picture != NULL) {
        status = mmnas_groundings_draw(groundings, argv[2], strlen(argv[2]), picture, strlen(picture), &error);
        result = failed(status, error);
    }
    mmnas_groundings_free(groundings);
    return result;
}

static int look_and_ground(const mmnas_model *model, char **argv, const char *picture)
{
    mmnas_image *image = NULL;
    mmnas_error *error = NULL;
    mmnas_status status = mmnas_image_from_file(model, argv[2], strlen(argv[2]), &image, &error);
    if (failed(status, error))
        return 1;

    int result = ground(model, image, argv, picture);
    mmnas_image_free(image);
    return result;
}

int main(int argc, char **argv)
{
    mmnas_model *model = NULL;
    mmnas_error *error = NULL;

    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: ground BUNDLE IMAGE PHRASE [PICTURE.png]\n");
        return EXIT_FAILURE;
    }

    mmnas_status status = mmnas_model_load(argv[1], strlen(argv[1]), NULL, &model, &error);
    if (failed(status, error))
        return EXIT_FAILURE;

    int result = look_and_ground(model, argv, argc == 5 ? argv[4] : NULL);
    mmnas_model_free(model);
    return result ? EXIT_FAILURE : EXIT_SUCCESS;
}
