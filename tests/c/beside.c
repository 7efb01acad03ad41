/*
 * A host that has an ONNX Runtime of its own, another file, and keeps using it while the library uses its one.
 *
 *     beside OTHER_ONNX_RUNTIME VQA IMAGE
 */

#include <dlfcn.h>

#include "check.h"

struct base {
    const void *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
};

int main(int argc, char **argv)
{
    mmnas_model *model = NULL;
    mmnas_image *image = NULL;
    mmnas_answers *answers = NULL;
    const struct base *(*get_base)(void);

    if (argc != 4)
        return EXIT_FAILURE;
    void *host = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (host == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return EXIT_FAILURE;
    }
    *(void **)(&get_base) = dlsym(host, "OrtGetApiBase");
    EXPECT(get_base()->get_api(1) != NULL);

    OK(mmnas_model_load(TEXT(argv[2]), NULL, &model, &error));
    OK(mmnas_image_from_file(model, TEXT(argv[3]), &image, &error));
    OK(mmnas_vqa_answer(model, image, TEXT("what?"), 1, &answers, &error));
    EXPECT(mmnas_answers_count(answers) == 1);
    /* The library says which one is its own, and it is not the host's. */
    EXPECT(mmnas_onnxruntime_path(NULL) != NULL && strcmp(mmnas_onnxruntime_path(NULL), argv[1]) != 0);
    EXPECT(strlen(get_base()->get_version()) > 0 && get_base()->get_api(1) != NULL);
    mmnas_answers_free(answers);
    mmnas_image_free(image);
    mmnas_model_free(model);
    return finished();
}
