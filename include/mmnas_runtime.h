/*
 * mmnas_runtime.h: answers questions about images with exported multimodal networks
 *
 * A bundle is a folder that holds a network found and trained by mmnas-search. This library loads it and runs it on
 * ONNX Runtime. It is written in Rust and has this C interface; C++ may include this header as it is.
 *
 * EXAMPLE
 *
 *     #include <stdio.h>
 *     #include <string.h>
 *     #include "mmnas_runtime.h"
 *
 *     int main(void)
 *     {
 *         const char *folder = "bundle", *file = "image.png", *question = "what is this?", *label = NULL;
 *         mmnas_model *model = NULL;
 *         mmnas_image *image = NULL;
 *         mmnas_answers *answers = NULL;
 *         mmnas_error *error = NULL;
 *         float probability = 0;
 *
 *         if (mmnas_model_load(folder, strlen(folder), NULL, &model, &error) == MMNAS_STATUS_OK
 *             && mmnas_image_from_file(model, file, strlen(file), &image, &error) == MMNAS_STATUS_OK
 *             && mmnas_vqa_answer(model, image, question, strlen(question), 1, &answers, &error) == MMNAS_STATUS_OK
 *             && mmnas_answers_get(answers, 0, &label, NULL, &probability, &error) == MMNAS_STATUS_OK)
 *             printf("%s (%.1f %%)\n", label, 100 * probability);
 *         else
 *             fprintf(stderr, "%s\n", mmnas_error_message(error, NULL));
 *         int failed = error != NULL;
 *         mmnas_error_free(error);
 *         mmnas_answers_free(answers);
 *         mmnas_image_free(image);
 *         mmnas_model_free(model);
 *         return failed;
 *     }
 *
 * A longer one is ffi/examples/answer.c.
 *
 * BUILD AND INSTALL
 *
 * `cargo build --release -p mmnas-ffi` writes libmmnas_runtime.so and libmmnas_runtime.a to target/release. On Linux,
 * with this header in INCLUDE and the libraries in LIB:
 *
 *     shared   install -m 644 libmmnas_runtime.so LIB/libmmnas_runtime.so.0     (the name in the library: its SONAME)
 *              ln -s libmmnas_runtime.so.0 LIB/libmmnas_runtime.so              (the name that the linker looks for)
 *              cc -IINCLUDE program.c -LLIB -lmmnas_runtime -Wl,-rpath,LIB      (no rpath where ldconfig knows LIB)
 *     static   cc -IINCLUDE program.c LIB/libmmnas_runtime.a -lstdc++ -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc
 *
 * ONNX Runtime (1.28 or newer) is not linked. It is loaded when the first model is: from where
 * mmnas_options_set_onnxruntime_library() says, else from where the environment variable MMNAS_ORT_DYLIB says, else from
 * the folder of this library, of the program, or from the system's folders. Where one of the first two names a place, no
 * other is tried. If that yields none, mmnas_model_load() fails with MMNAS_STATUS_ONNX_RUNTIME_MISSING and says what was
 * tried. Once loaded it stays for the life of the process, so do not unload this library with dlclose().
 *
 * CONVENTIONS, which hold for every function here and for those to come
 *
 * Errors. A function that can fail returns a mmnas_status, and writes an error to its last parameter, error_out: an
 * owned mmnas_error, to be freed with mmnas_error_free(), or NULL on success. Pass NULL for error_out to do without. There
 * is no hidden "last error". Whatever *error_out held before is overwritten, so free it first.
 *
 * Results. Out-parameters come last, just before error_out. They are written in every case: on failure with NULL or
 * zero. A missing place for a handle is an error; a place for a mere value may be NULL when the value is not wanted.
 *
 * Ownership. What ends in _new, or is written to an out-parameter as a handle, belongs to the caller, who frees it once,
 * with the _free function of its type. Those functions accept NULL. Handles may be freed in any order. Text that a
 * function returns is borrowed from the handle that it was asked of, and is valid until that handle is freed. What the
 * caller passes is borrowed for the time of the call.
 *
 * Text. Text and paths are a pointer and a length in bytes, UTF-8, and need no closing NUL; NULL with length 0 is the
 * empty text. Text that comes out has a length, and a closing NUL besides.
 *
 * Threads. A handle that is passed as a pointer to const may be used from many threads at once. One that is passed as a
 * plain pointer is changed or freed, so nobody else may use it at that time. Different handles are independent. Calls on
 * one model are safe at once; where they need the same part of it, they wait for one another.
 *
 * Misuse. NULL where there must be none, text that is not UTF-8 and numbers out of range are errors. A pointer that
 * points nowhere, a handle that was freed, or one of another type is undefined behaviour, as everywhere in C.
 *
 * The host. The library prints nothing, installs no signal handlers and no logging, and does not end the process; a
 * failure inside it is MMNAS_STATUS_PANIC. The exception is memory that runs out, which ends the process.
 *
 * Versions. Functions and status codes are added, not changed or taken away, while MMNAS_ABI_VERSION stays the same.
 */


#ifndef MMNAS_RUNTIME_H
#define MMNAS_RUNTIME_H

/* Generated from ffi/ by `cargo run -p mmnas-tests --bin update-header`. Do not edit. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The version of the ABI that this header describes, the number at the end of the shared library's SONAME.
 *
 * It is raised when a program that was built against an earlier header could misbehave. New functions and new status
 * codes do not raise it.
 */
#define MMNAS_ABI_VERSION 0

/**
 * What a function returns: MMNAS_STATUS_OK, or the kind of failure.
 *
 * A status is always an int32_t. The numbers are part of the ABI: none is ever given a second meaning. A later library
 * may return numbers that are not in this list, so treat whatever is not MMNAS_STATUS_OK as a failure.
 */
enum mmnas_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It worked.
     */
    MMNAS_STATUS_OK = 0,
    /**
     * An argument is NULL, not UTF-8, out of range, or belongs to another model. The message names it, and says what was
     * expected and what was found.
     */
    MMNAS_STATUS_INVALID_ARGUMENT = 1,
    /**
     * A file or folder could not be read or written.
     */
    MMNAS_STATUS_IO = 2,
    /**
     * A file of the bundle is damaged, cut, missing, or not what the manifest says.
     */
    MMNAS_STATUS_INVALID_BUNDLE = 3,
    /**
     * The bundle was written for a later version of this library.
     */
    MMNAS_STATUS_FUTURE_VERSION = 4,
    /**
     * The image cannot be decoded.
     */
    MMNAS_STATUS_IMAGE = 5,
    /**
     * The text holds no word.
     */
    MMNAS_STATUS_EMPTY_TEXT = 6,
    /**
     * ONNX Runtime is not found, cannot be loaded, is too old, or the process already runs another one.
     */
    MMNAS_STATUS_ONNX_RUNTIME_MISSING = 7,
    /**
     * ONNX Runtime refused a graph or failed while running it.
     */
    MMNAS_STATUS_INFERENCE = 8,
    /**
     * The call does not fit the bundle's task or its inputs.
     */
    MMNAS_STATUS_WRONG_TASK = 9,
    /**
     * The bundle does not give its recorded outputs.
     */
    MMNAS_STATUS_VERIFICATION_FAILED = 10,
    /**
     * What was to be written is there already.
     */
    MMNAS_STATUS_EXISTS = 11,
    /**
     * The call was cancelled.
     */
    MMNAS_STATUS_CANCELLED = 12,
    /**
     * The call's deadline passed before it was done.
     */
    MMNAS_STATUS_DEADLINE_EXCEEDED = 13,
    /**
     * None of the allowed providers can be had on this machine.
     */
    MMNAS_STATUS_PROVIDER = 14,
    /**
     * The queue of requests is full.
     */
    MMNAS_STATUS_OVERLOADED = 15,
    /**
     * The handle takes no more requests.
     */
    MMNAS_STATUS_CLOSED = 16,
    /**
     * The library failed in a way that its authors did not foresee. Please report the message.
     */
    MMNAS_STATUS_PANIC = 100,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mmnas_status mmnas_status;
#else
typedef int32_t mmnas_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The answers to one question, the most probable first.
 */
typedef struct mmnas_answers mmnas_answers;

/**
 * Why a call failed: a status and a message. Written by the call that failed, owned by its caller.
 */
typedef struct mmnas_error mmnas_error;

/**
 * An image as a model sees it. The work on the picture is done; a question about it costs only its own part.
 */
typedef struct mmnas_image mmnas_image;

/**
 * A loaded bundle, ready to run.
 */
typedef struct mmnas_model mmnas_model;

/**
 * How a model is to be loaded. What is not set has its default.
 */
typedef struct mmnas_options mmnas_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library, such as "0.1.0".
 *
 * @return a static, NUL-terminated text; never NULL, never to be freed
 *
 * Threads: may be called at any time from any thread.
 */
const char *mmnas_version(void);

/**
 * The version of the ABI that the loaded library speaks.
 *
 * A program that finds its library at run time compares it with MMNAS_ABI_VERSION, which is what it was built against;
 * where they differ it must not call anything but mmnas_version().
 *
 * @return the number
 *
 * Threads: may be called at any time from any thread.
 */
uint32_t mmnas_abi_version(void);

/**
 * The status of an error: the one that the failed call returned.
 *
 * @param error  an error, or NULL, which stands for "no error"
 * @return the status; MMNAS_STATUS_OK for NULL
 *
 * Threads: the error may be read from many threads at once.
 */
mmnas_status mmnas_error_status(const struct mmnas_error *error);

/**
 * The message of an error, with everything that is known about its causes: one text in English, for people.
 *
 * @param error    an error, or NULL, which stands for "no error"
 * @param len_out  receives the number of bytes without the closing NUL; may be NULL
 * @return UTF-8 text, NUL-terminated, with no NUL inside; borrowed from the error: valid until mmnas_error_free(); the
 *         empty text for NULL; never NULL
 *
 * Threads: the error may be read from many threads at once.
 */
const char *mmnas_error_message(const struct mmnas_error *error,
                                size_t *len_out);

/**
 * Frees an error and its message.
 *
 * @param error  an error, or NULL, which does nothing
 *
 * Threads: no other thread may use the error any more.
 */
void mmnas_error_free(struct mmnas_error *error);

/**
 * Makes options in which everything has its default.
 *
 * @return options that the caller owns and frees with mmnas_options_free(); NULL only if the library itself failed
 *
 * Threads: may be called at any time from any thread.
 */
struct mmnas_options *mmnas_options_new(void);

/**
 * Frees options. Models that were loaded with them stay as they are.
 *
 * @param options  options, or NULL, which does nothing
 *
 * Threads: no other thread may use the options any more.
 */
void mmnas_options_free(struct mmnas_options *options);

/**
 * Says which ONNX Runtime library to load, instead of searching for one.
 *
 * A process loads ONNX Runtime once: the first model decides, and loading a later one that asks for another library
 * fails with MMNAS_STATUS_ONNX_RUNTIME_MISSING. Nothing is opened before mmnas_model_load().
 *
 * @param options    the options to change
 * @param path       the library, or a folder that holds it; UTF-8, need not be NUL-terminated; copied
 * @param path_len   the number of bytes of the path; at least 1
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
 *
 * Threads: changes the options, so no other thread may use them at the same time.
 */
mmnas_status mmnas_options_set_onnxruntime_library(struct mmnas_options *options,
                                                   const char *path,
                                                   size_t path_len,
                                                   struct mmnas_error **error_out);

/**
 * Sets how many threads one operator of a graph may use.
 *
 * @param options    the options to change
 * @param threads    1 to 1024, which mmnas_model_load() checks, or 0 for the default: as many as the system has to
 *                   offer to the process
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
 *
 * Threads: changes the options, so no other thread may use them at the same time.
 */
mmnas_status mmnas_options_set_threads(struct mmnas_options *options,
                                       size_t threads,
                                       struct mmnas_error **error_out);

/**
 * Sets whether loading compares the files that it reads with the SHA-256 that the bundle's manifest records. Lengths are
 * compared in any case.
 *
 * @param options       the options to change
 * @param check_hashes  true, which is the default, to compare
 * @param error_out     receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
 *
 * Threads: changes the options, so no other thread may use them at the same time.
 */
mmnas_status mmnas_options_set_check_hashes(struct mmnas_options *options,
                                            bool check_hashes,
                                            struct mmnas_error **error_out);

/**
 * Loads a bundle: the folder that `mmnas-search export` writes.
 *
 * The first load of a process also loads ONNX Runtime; where from is told at the top of this header.
 *
 * @param path       the folder, UTF-8, need not be NUL-terminated
 * @param path_len   the number of bytes of the path; at least 1
 * @param options    how to load it, or NULL for the defaults; only read, and not needed after the call
 * @param model_out  receives the model, which the caller owns and frees with mmnas_model_free(), or NULL on failure
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO (no such folder),
 *         MMNAS_STATUS_INVALID_BUNDLE, MMNAS_STATUS_FUTURE_VERSION, MMNAS_STATUS_ONNX_RUNTIME_MISSING, or
 *         MMNAS_STATUS_INFERENCE (ONNX Runtime refused a graph)
 *
 * Threads: may be called from many threads at once, also with the same options.
 */
mmnas_status mmnas_model_load(const char *path,
                              size_t path_len,
                              const struct mmnas_options *options,
                              struct mmnas_model **model_out,
                              struct mmnas_error **error_out);

/**
 * Frees a model. Answers that came from it stay valid. Images do too, but serve no other model, so all that can be done
 * with them is to free them.
 *
 * @param model  a model, or NULL, which does nothing
 *
 * Threads: no other thread may use the model any more.
 */
void mmnas_model_free(struct mmnas_model *model);

/**
 * Reads an image file and encodes it for a model.
 *
 * PNG, JPEG, WebP, BMP, or the first picture of a GIF, told by content; at most 20,000 pixels a side and 512 MiB decoded.
 * A rotation noted in the file's metadata (EXIF) is applied.
 *
 * @param model      the model that will be asked
 * @param path       the file, UTF-8, need not be NUL-terminated
 * @param path_len   the number of bytes of the path; at least 1
 * @param image_out  receives the image, which the caller owns and frees with mmnas_image_free(), or NULL on failure
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_IMAGE, MMNAS_STATUS_WRONG_TASK
 *         (the bundle takes no pictures), or MMNAS_STATUS_INFERENCE
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_image_from_file(const struct mmnas_model *model,
                                   const char *path,
                                   size_t path_len,
                                   struct mmnas_image **image_out,
                                   struct mmnas_error **error_out);

/**
 * As mmnas_image_from_file(), for an image file that is in memory.
 *
 * @param model      the model that will be asked
 * @param bytes      the content of an image file, not bare pixels; only read, and not needed after the call
 * @param bytes_len  the number of bytes
 * @param image_out  receives the image, which the caller owns and frees with mmnas_image_free(), or NULL on failure
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IMAGE (no bytes at all are no image either),
 *         MMNAS_STATUS_WRONG_TASK (the bundle takes no pictures), or MMNAS_STATUS_INFERENCE
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_image_from_bytes(const struct mmnas_model *model,
                                    const uint8_t *bytes,
                                    size_t bytes_len,
                                    struct mmnas_image **image_out,
                                    struct mmnas_error **error_out);

/**
 * Frees an image. Answers about it stay valid.
 *
 * @param image  an image, or NULL, which does nothing
 *
 * Threads: no other thread may use the image any more.
 */
void mmnas_image_free(struct mmnas_image *image);

/**
 * Asks a question about an image.
 *
 * @param model         the model, of a bundle whose task is VQA
 * @param image         an image that this model encoded
 * @param question      the question, UTF-8, need not be NUL-terminated; NULL with length 0 is the empty text
 * @param question_len  the number of bytes of the question
 * @param top_k         how many answers are wanted; at least 1; a model with fewer answers gives all it has
 * @param answers_out   receives the answers, which the caller owns and frees with mmnas_answers_free(), or NULL on
 *                      failure
 * @param error_out     receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_EMPTY_TEXT (no word in the question),
 *         MMNAS_STATUS_WRONG_TASK, or MMNAS_STATUS_INFERENCE
 *
 * Threads: may be called from many threads at once with the same model and the same image.
 */
mmnas_status mmnas_vqa_answer(const struct mmnas_model *model,
                              const struct mmnas_image *image,
                              const char *question,
                              size_t question_len,
                              size_t top_k,
                              struct mmnas_answers **answers_out,
                              struct mmnas_error **error_out);

/**
 * How many answers there are.
 *
 * @param answers  answers, or NULL, which holds none
 * @return the number; 0 for NULL
 *
 * Threads: the answers may be read from many threads at once.
 */
size_t mmnas_answers_count(const struct mmnas_answers *answers);

/**
 * Reads one answer. The out-parameters for its parts may each be NULL when the part is not wanted; on failure they
 * receive NULL and zeros.
 *
 * @param answers          the answers
 * @param index            which one: 0 is the most probable; less than mmnas_answers_count()
 * @param label_out        receives the label: UTF-8, NUL-terminated, borrowed from the answers, valid until
 *                         mmnas_answers_free()
 * @param label_len_out    receives the number of bytes of the label without the closing NUL
 * @param probability_out  receives the probability, from 0 to 1; each answer is scored by itself, so the probabilities
 *                         of all answers need not sum to 1
 * @param error_out        receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: the answers may be read from many threads at once.
 */
mmnas_status mmnas_answers_get(const struct mmnas_answers *answers,
                               size_t index,
                               const char **label_out,
                               size_t *label_len_out,
                               float *probability_out,
                               struct mmnas_error **error_out);

/**
 * Frees answers and their labels.
 *
 * @param answers  answers, or NULL, which does nothing
 *
 * Threads: no other thread may use the answers any more.
 */
void mmnas_answers_free(struct mmnas_answers *answers);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MMNAS_RUNTIME_H */
