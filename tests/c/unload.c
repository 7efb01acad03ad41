/*
 * Opens and closes the library again and again, and uses it in between, as a host of plug-ins does.
 *
 *     unload LIBRARY VQA IMAGE
 */

#include <dlfcn.h>

#include "check.h"

/* ISO C knows no way from a pointer to a function; POSIX promises this one. */
#define FUNCTION(library, name) *(void **)(&name) = dlsym(library, #name)

int main(int argc, char **argv)
{
    if (argc != 4)
        return EXIT_FAILURE;
    for (int round = 0; round < 20; round++) {
        void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return EXIT_FAILURE;
        }
        uint32_t (*mmnas_abi_version)(void);
        size_t (*mmnas_handles_live)(void);
        mmnas_status (*mmnas_model_load)(const char *, size_t, const mmnas_options *, mmnas_model **, mmnas_error **);
        mmnas_status (*mmnas_image_from_file)(const mmnas_model *, const char *, size_t, mmnas_image **, mmnas_error **);
        mmnas_status (*mmnas_vqa_answer)(const mmnas_model *, const mmnas_image *, const char *, size_t, size_t,
                                         mmnas_answers **, mmnas_error **);
        void (*mmnas_answers_free)(mmnas_answers *);
        void (*mmnas_image_free)(mmnas_image *);
        void (*mmnas_model_free)(mmnas_model *);
        FUNCTION(library, mmnas_abi_version);
        FUNCTION(library, mmnas_handles_live);
        FUNCTION(library, mmnas_model_load);
        FUNCTION(library, mmnas_image_from_file);
        FUNCTION(library, mmnas_vqa_answer);
        FUNCTION(library, mmnas_answers_free);
        FUNCTION(library, mmnas_image_free);
        FUNCTION(library, mmnas_model_free);
        if (mmnas_abi_version() != MMNAS_ABI_VERSION)
            return EXIT_FAILURE;
        /* Also closed without having been used. */
        if (round % 4 == 1) {
            mmnas_model *model = NULL;
            mmnas_image *image = NULL;
            mmnas_answers *answers = NULL;
            if (mmnas_model_load(TEXT(argv[2]), NULL, &model, NULL) != MMNAS_STATUS_OK
                || mmnas_image_from_file(model, TEXT(argv[3]), &image, NULL) != MMNAS_STATUS_OK
                || mmnas_vqa_answer(model, image, TEXT("what?"), 1, &answers, NULL) != MMNAS_STATUS_OK)
                return EXIT_FAILURE;
            mmnas_answers_free(answers);
            mmnas_image_free(image);
            mmnas_model_free(model);
        }
        if (mmnas_handles_live() != 0 || dlclose(library) != 0)
            return EXIT_FAILURE;
    }
    printf("alive\n");
    return EXIT_SUCCESS;
}
