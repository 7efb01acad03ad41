/*
 * 64 threads that ask one model at once; each has to get, bit by bit, what one thread alone gets. Half of the threads also make
 * and free handles of their own all the time.
 *
 *     hammer VQA IMAGE
 */

#include <pthread.h>

#include "check.h"

#define THREADS 64
#define ROUNDS 12
#define QUESTIONS 4

static const char *const ASKED[QUESTIONS] = {"what is this?", "a", "is it a b c d", "one two three what"};
static mmnas_model *model;
static mmnas_image *image;
static const char *file;
static uint32_t expected[QUESTIONS];

static uint32_t ask(const mmnas_image *about, int question)
{
    mmnas_answers *answers = NULL;
    float probability = -1;
    uint32_t bits = 0;

    OK(mmnas_vqa_answer(model, about, TEXT(ASKED[question]), 3, &answers, &error));
    OK(mmnas_answers_get(answers, 0, NULL, NULL, &probability, &error));
    mmnas_answers_free(answers);
    memcpy(&bits, &probability, sizeof bits);
    return bits;
}

static void *hammer(void *number)
{
    size_t self = (size_t)number;

    for (int round = 0; round < ROUNDS; round++) {
        int question = (int)((self + (size_t)round) % QUESTIONS);
        if (self % 2) {
            mmnas_image *own = NULL;
            OK(mmnas_image_from_file(model, TEXT(file), &own, &error));
            EXPECT(ask(own, question) == expected[question]);
            mmnas_image_free(own);
        } else {
            EXPECT(ask(image, question) == expected[question]);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];

    if (argc != 3)
        return EXIT_FAILURE;
    file = argv[2];
    OK(mmnas_model_load(TEXT(argv[1]), NULL, &model, &error));
    OK(mmnas_image_from_file(model, TEXT(file), &image, &error));
    for (int question = 0; question < QUESTIONS; question++)
        expected[question] = ask(image, question);
    for (size_t i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&threads[i], NULL, hammer, (void *)i) == 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    mmnas_image_free(image);
    mmnas_model_free(model);
    EXPECT(mmnas_handles_live() == 0);
    return finished();
}
