/*
 * Prints the three most probable answers to a question about an image.
 *
 *     ./answer BUNDLE IMAGE QUESTION
 *
 * How to install and link the library is written at the top of mmnas_runtime.h.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmnas_runtime.h"

/*
 * Reports the error, frees it, and tells whether there was one. Keep the status in a variable: C may evaluate the
 * arguments in any order, and failed(mmnas_...(&error), error) could pass the error as it was before the call.
 */
static int failed(mmnas_status status, mmnas_error *error)
{
    if (status == MMNAS_STATUS_OK)
        return 0;
    fprintf(stderr, "answer: %s: %s\n", mmnas_status_name(status), mmnas_error_message(error, NULL));
    mmnas_error_free(error);
    return 1;
}

static int print_answers(const mmnas_answers *answers)
{
    size_t count = mmnas_answers_count(answers);

    for (size_t i = 0; i < count; i++) {
        const char *label = NULL;
        float probability = 0;
        mmnas_error *error = NULL;
        mmnas_status status = mmnas_answers_get(answers, i, &label, NULL, &probability, &error);
        if (failed(status, error))
            return 1;
        printf("%5.1f %%  %s\n", 100.0 * (double)probability, label);
    }
    return 0;
}

/* One model and one image serve any number of questions, from any number of threads. */
static int ask(const mmnas_model *model, const mmnas_image *image, const char *question)
{
    mmnas_answers *answers = NULL;
    mmnas_error *error = NULL;
    mmnas_status status = mmnas_vqa_answer(model, image, question, strlen(question), 3, &answers, &error);
    if (failed(status, error))
        return 1;

    int result = print_answers(answers);
    mmnas_answers_free(answers);
    return result;
}

static int look_and_ask(const mmnas_model *model, const char *file, const char *question)
{
    mmnas_image *image = NULL;
    mmnas_error *error = NULL;
    mmnas_status status = mmnas_image_from_file(model, file, strlen(file), &image, &error);
    if (failed(status, error))
        return 1;

    int result = ask(model, image, question);
    mmnas_image_free(image);
    return result;
}

int main(int argc, char **argv)
{
    mmnas_model *model = NULL;
    mmnas_error *error = NULL;

    if (argc != 4) {
        fprintf(stderr, "usage: answer BUNDLE IMAGE QUESTION\n");
        return EXIT_FAILURE;
    }

    mmnas_status status = mmnas_model_load(argv[1], strlen(argv[1]), NULL, &model, &error);
    if (failed(status, error))
        return EXIT_FAILURE;

    int result = look_and_ask(model, argv[2], argv[3]);
    mmnas_model_free(model);
    return result ? EXIT_FAILURE : EXIT_SUCCESS;
}
