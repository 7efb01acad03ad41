/*
 * 64 threads that ask one model at once; each has to get, bit by bit, what one thread alone gets. Half of the threads also make
 * and free handles of their own all the time. Then all of them ask through a batcher, which may round otherwise, some with a
 * deadline that passes at any moment; and one frees the batcher while the others still have calls in it.
 *
 *     hammer VQA IMAGE
 */

#include <math.h>
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

static mmnas_batcher *batcher;
static float expected_logit[QUESTIONS];
static _Atomic int freed;

static float logit_of(mmnas_answers *answers)
{
    float logit = 1e30f;

    OK(mmnas_answers_get_logit(answers, 0, &logit, NULL, &error));
    mmnas_answers_free(answers);
    return logit;
}

static void *hammer_batches(void *number)
{
    size_t self = (size_t)number;

    for (int round = 0; round < ROUNDS; round++) {
        int question = (int)((self + (size_t)round) % QUESTIONS);
        mmnas_answers *answers = NULL;
        mmnas_model *limited = NULL;
        mmnas_error *error = NULL;
        if (self % 8 == 3)
            OK(mmnas_model_limited(model, NULL, 1 + (uint64_t)round, &limited, &error));
        mmnas_status status = mmnas_batcher_answer(batcher, limited ? limited : model, image, TEXT(ASKED[question]), 3,
                                                   &answers, &error);
        if (status == MMNAS_STATUS_OK)
            EXPECT(fabsf(logit_of(answers) - expected_logit[question]) < 1e-3f);
        else
            EXPECT((limited && status == MMNAS_STATUS_DEADLINE_EXCEEDED)
                   || (freed && (status == MMNAS_STATUS_INVALID_ARGUMENT || status == MMNAS_STATUS_CLOSED)));
        EXPECT((status == MMNAS_STATUS_OK) == (error == NULL));
        mmnas_error_free(error);
        mmnas_model_free(limited);
        if (self == 0 && round == ROUNDS / 2) {
            freed = 1;
            mmnas_batcher_free(batcher);
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
    for (int question = 0; question < QUESTIONS; question++) {
        mmnas_answers *answers = NULL;
        OK(mmnas_vqa_answer(model, image, TEXT(ASKED[question]), 1, &answers, &error));
        expected_logit[question] = logit_of(answers);
    }
    /* A call that ended at its deadline leaves its request in the queue until its batch has run. */
    OK(mmnas_batcher_create(model, 16, 500, (size_t)THREADS * ROUNDS, &batcher, &error));
    for (size_t i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&threads[i], NULL, hammer_batches, (void *)i) == 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    mmnas_image_free(image);
    mmnas_model_free(model);
    EXPECT(mmnas_handles_live() == 0);
    return finished();
}
