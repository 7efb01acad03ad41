/*
 * Ends without freeing anything, in the way that is asked for, with the code 7: a host's exit code is its own.
 *
 *     leave VQA IMAGE return|exit|thread|quick
 */

#include <pthread.h>

#include "check.h"

static void *leave(void *unused)
{
    (void)unused;
    exit(7);
}

int main(int argc, char **argv)
{
    mmnas_model *model = NULL;
    mmnas_image *image = NULL;
    mmnas_answers *answers = NULL;
    mmnas_cancel_token *token = mmnas_cancel_token_new();
    mmnas_model *limited = NULL;
    pthread_t thread;

    if (argc != 4)
        return EXIT_FAILURE;
    OK(mmnas_model_load(TEXT(argv[1]), NULL, &model, &error));
    OK(mmnas_model_limited(model, token, 600000, &limited, &error));
    OK(mmnas_image_from_file(limited, TEXT(argv[2]), &image, &error));
    OK(mmnas_vqa_answer(limited, image, TEXT("what?"), 1, &answers, &error));
    if (failures > 0)
        return EXIT_FAILURE;
    if (strcmp(argv[3], "exit") == 0)
        exit(7);
    if (strcmp(argv[3], "quick") == 0)
        quick_exit(7);
    if (strcmp(argv[3], "thread") == 0) {
        if (pthread_create(&thread, NULL, leave, NULL) == 0)
            pthread_join(thread, NULL);
        return EXIT_FAILURE;
    }
    return 7;
}
