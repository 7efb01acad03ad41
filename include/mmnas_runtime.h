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
 * Longer ones, for all three tasks, are in the folder share/doc/mmnas-runtime/examples of an installation (ffi/examples of
 * the sources). C++ has mmnas_runtime.hpp beside this header.
 *
 * INSTALL AND LINK
 *
 * `make install PREFIX=DIR` installs the libraries, the headers, a pkg-config file, a CMake package and the examples; the
 * tree may be moved afterwards. Then one of
 *
 *     cc program.c $(pkg-config --cflags --libs mmnas-runtime)                       shared
 *     cc program.c $(pkg-config --cflags --static --libs mmnas-runtime-static)       static
 *     find_package(mmnas_runtime REQUIRED)                                           CMake, shared and static:
 *     target_link_libraries(program mmnas::runtime)      or mmnas::runtime_static
 *
 * With a DIR that is no folder of the system, pkg-config is to be told of it, PKG_CONFIG_PATH=DIR/lib/pkgconfig, and so is
 * the program that links the shared library: -Wl,-rpath,DIR/lib.
 *
 * The library runs on every processor of its kind (x86-64: SSE2, aarch64: NEON is the least); ONNX Runtime uses what more
 * there is. On Linux it wants a glibc and a libstdc++ at least as new as those that it was built with asked for: built on
 * Debian 12, glibc 2.34.
 *
 * ONNX Runtime (1.28 or newer) is not linked. It is loaded when the first model is: from where
 * mmnas_options_set_onnxruntime_library() says, else from where the environment variable MMNAS_ORT_DYLIB says, else from
 * the folder of this library, of the program, or from the system's folders. Where one of the first two names a place, no
 * other is tried. If that yields none, mmnas_model_load() fails with MMNAS_STATUS_ONNX_RUNTIME_MISSING and says what was
 * tried. A host may use another ONNX Runtime of its own beside it. What was loaded stays for the life of the process:
 * dlclose() is safe, and unloads nothing.
 *
 * CONVENTIONS, which hold for every function here and for those to come
 *
 * Errors. A function that can fail returns a mmnas_status, and writes an error to its last parameter, error_out: an
 * owned mmnas_error, to be freed with mmnas_error_free(), or NULL on success. Pass NULL for error_out to do without. There
 * is no hidden "last error". Whatever *error_out held before is overwritten, so free it first.
 *
 * Results. Out-parameters come last, just before error_out. They are written in every case: on failure with NULL or
 * zero; a list of numbers is left as it is. A missing place for a handle is an error; a place for a mere value may be NULL when the value is not wanted.
 *
 * Batches. Functions for many at once make all of it or nothing. Those for many pictures do not, since files of strangers are
 * among them: each picture has a handle, or an error in the same place of errors_out.
 *
 * Ownership. What ends in _new or _create, or is written to an out-parameter as a handle, belongs to the caller, who frees it once,
 * with the _free function of its type. Those functions accept NULL. Handles may be freed in any order. Text and numbers that
 * a function returns a pointer to are borrowed from the handle that it was asked of, and are valid until that handle is freed.
 * What the caller passes is borrowed for the time of the call.
 *
 * Text. Text and paths are a pointer and a length in bytes, UTF-8, and need no closing NUL; NULL with length 0 is the
 * empty text. Text that comes out has a length, and a closing NUL besides.
 *
 * Numbers that stand for something are int32_t where they go in and one of an enum where they come out; a number that the
 * enum does not have is an error.
 *
 * Threads. A handle that is passed as a pointer to const may be used from many threads at once, and the calls run at the same
 * time. One that is passed as a plain pointer is changed or freed, so nobody else may rely on it at that time. Different
 * handles are independent, but for those that mmnas_index_limited_to() makes of one index, which they all are.
 *
 * Time. A call takes as long as it takes, unless its model or index is a limited handle: mmnas_model_limited_to() and
 * mmnas_index_limited_to() make one for each request, with the milliseconds that it has left and a token that another
 * thread may cancel. MMNAS_AT_ONCE (0) and every number below end each call that reads pictures or texts or runs the
 * network before it begins, MMNAS_NO_DEADLINE none.
 * The older mmnas_model_limited() takes 0 for no limit.
 *
 * Misuse. NULL where there must be none, text that is not UTF-8 and numbers out of range are errors. Handles are looked up
 * and never followed: one that was freed, one of another type and a pointer from elsewhere are errors too, freeing them does
 * nothing, and functions that return a value give what they give for NULL. What cannot be found out is a pointer to memory that is not there, or a length that is too large.
 *
 * The host. The library prints nothing, installs no signal handlers, and does not end the process; a failure inside it is
 * MMNAS_STATUS_PANIC. What it has to say besides errors goes to the callbacks of
 * mmnas_log_set() and mmnas_log_listen(), or nowhere. The exception is memory that runs out, which ends the process. A
 * process that has used it may fork and exec; a forked child that goes on must not call it.
 *
 * Versions. Functions and numbers are added, not changed or taken away, while MMNAS_ABI_VERSION stays the same.
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
#define MMNAS_ABI_VERSION 1

/**
 * The time of a request is over: every call with the handle ends before it begins. So it does with every number below.
 */
#define MMNAS_AT_ONCE 0

/**
 * A request may take as long as it takes.
 */
#define MMNAS_NO_DEADLINE INT64_MAX

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
     * The bundle does not give its recorded outputs. No function returns it: mmnas_verification_passed() tells.
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
     * The queue of a mmnas_batcher is full.
     */
    MMNAS_STATUS_OVERLOADED = 15,
    /**
     * The mmnas_batcher takes no more calls.
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
 * What a network is for.
 */
enum mmnas_task
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * There is no model.
     */
    MMNAS_TASK_NONE = 0,
    /**
     * Visual question answering: mmnas_vqa_answer().
     */
    MMNAS_TASK_VQA = 1,
    /**
     * Image-text matching and retrieval: mmnas_itm_match(), mmnas_index.
     */
    MMNAS_TASK_ITM = 2,
    /**
     * Visual grounding: mmnas_vgd_ground().
     */
    MMNAS_TASK_VGD = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mmnas_task mmnas_task;
#else
typedef int32_t mmnas_task;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What runs the graphs.
 */
enum mmnas_provider
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The processor.
     */
    MMNAS_PROVIDER_CPU = 0,
    /**
     * NVIDIA's CUDA; what it cannot run, the processor runs.
     */
    MMNAS_PROVIDER_CUDA = 1,
    /**
     * NVIDIA's TensorRT; what it cannot run, CUDA runs.
     */
    MMNAS_PROVIDER_TENSORRT = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mmnas_provider mmnas_provider;
#else
typedef int32_t mmnas_provider;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What an index holds.
 */
enum mmnas_index_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Images, to be found by texts.
     */
    MMNAS_INDEX_KIND_IMAGES = 0,
    /**
     * Texts, to be found by images.
     */
    MMNAS_INDEX_KIND_TEXTS = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mmnas_index_kind mmnas_index_kind;
#else
typedef int32_t mmnas_index_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How the bytes of a pixel lie, one byte a channel.
 */
enum mmnas_pixel_format
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Red, green, blue.
     */
    MMNAS_PIXEL_FORMAT_RGB = 0,
    /**
     * Blue, green, red.
     */
    MMNAS_PIXEL_FORMAT_BGR = 1,
    /**
     * Red, green, blue and a fourth byte, which is dropped.
     */
    MMNAS_PIXEL_FORMAT_RGBA = 2,
    /**
     * Blue, green, red and a fourth byte, which is dropped.
     */
    MMNAS_PIXEL_FORMAT_BGRA = 3,
    /**
     * One byte of brightness.
     */
    MMNAS_PIXEL_FORMAT_GREY = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mmnas_pixel_format mmnas_pixel_format;
#else
typedef int32_t mmnas_pixel_format;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How embeddings are written. The program `mmnas index export` writes Parquet too.
 */
enum mmnas_embedding_format
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * NumPy's: float32 [count, width]; the keys in the same order beside it, in NAME.keys.json.
     */
    MMNAS_EMBEDDING_FORMAT_NPY = 0,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mmnas_embedding_format mmnas_embedding_format;
#else
typedef int32_t mmnas_embedding_format;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How much a message matters.
 */
enum mmnas_log_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Nothing is told.
     */
    MMNAS_LOG_LEVEL_OFF = 0,
    /**
     * Something failed.
     */
    MMNAS_LOG_LEVEL_ERROR = 1,
    /**
     * Something is other than one would wish, such as a provider that was allowed to be missing and is.
     */
    MMNAS_LOG_LEVEL_WARNING = 2,
    /**
     * What was loaded from where: a line for ONNX Runtime, and one for each bundle (folder, task, variant, provider, identity, ONNX
     * Runtime) and each index.
     */
    MMNAS_LOG_LEVEL_INFO = 3,
    /**
     * What helps to find a fault.
     */
    MMNAS_LOG_LEVEL_DEBUG = 4,
    /**
     * All.
     */
    MMNAS_LOG_LEVEL_TRACE = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mmnas_log_level mmnas_log_level;
#else
typedef int32_t mmnas_log_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Answers to a question, the most probable first.
 */
typedef struct mmnas_answers mmnas_answers;

/**
 * Gathers what many threads ask of a model at a time into batches, which take less time than one call after the other.
 */
typedef struct mmnas_batcher mmnas_batcher;

/**
 * Ends the calls that were made with it, from any thread.
 */
typedef struct mmnas_cancel_token mmnas_cancel_token;

/**
 * Why a call failed: a status and a message. Written by the call that failed, owned by its caller.
 */
typedef struct mmnas_error mmnas_error;

/**
 * How much each word of a text and each region of an image counted.
 */
typedef struct mmnas_explanation mmnas_explanation;

/**
 * The files of a bundle by their names, for mmnas_model_load_files().
 */
typedef struct mmnas_files mmnas_files;

/**
 * Parts of an image that a phrase may mean, the most probable first.
 */
typedef struct mmnas_groundings mmnas_groundings;

/**
 * An image as a model sees it. The work on the picture is done; a question about it costs only its own part.
 */
typedef struct mmnas_image mmnas_image;

/**
 * Encoded images or texts on disk, by keys. What was committed stays whole whatever stops the program.
 */
typedef struct mmnas_index mmnas_index;

/**
 * The keys of an index, as they were when they were asked for, or words of a text.
 */
typedef struct mmnas_keys mmnas_keys;

/**
 * One that is told what happens, beside all others, until it is freed.
 */
typedef struct mmnas_log_listener mmnas_log_listener;

/**
 * A loaded bundle, ready to run.
 */
typedef struct mmnas_model mmnas_model;

/**
 * How a model is to be loaded. What is not set has its default.
 */
typedef struct mmnas_options mmnas_options;

/**
 * Images or texts, the best first.
 */
typedef struct mmnas_ranking mmnas_ranking;

/**
 * The regions of a picture with their features, before any network has read them. Models with the same vision stage
 * (mmnas_model_vision_identity()) take them from one another, so a picture that several models are asked about is looked at once;
 * and a program can store the numbers, and give them to mmnas_image_from_regions() later.
 */
typedef struct mmnas_regions mmnas_regions;

/**
 * A text as a model reads it: a question, a caption or a phrase.
 */
typedef struct mmnas_text mmnas_text;

/**
 * A bundle's outputs, compared with those that were recorded when it was written.
 */
typedef struct mmnas_verification mmnas_verification;

/**
 * Takes a message. `level` is one of mmnas_log_level; `message` is UTF-8 of `message_len` bytes with a closing NUL, and only
 * valid during the call. It may be called from any thread, also from several at once and in the middle of any call, so it must
 * not throw or jump out, and not call this library: such calls do nothing, and fail with MMNAS_STATUS_INVALID_ARGUMENT where
 * they can fail. The functions of mmnas_error work there too, so that such an error can be read and freed.
 */
typedef void (*mmnas_log_callback)(void *user_data,
                                   int32_t level,
                                   const char *message,
                                   size_t message_len);

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
 * How many handles the process holds that were not freed, of every type: 0 in a program that has freed all. For tests that
 * look for leaks, since tools that look for lost memory do not see handles.
 *
 * @return the number
 *
 * Threads: may be called at any time from any thread.
 */
size_t mmnas_handles_live(void);

/**
 * The ONNX Runtime library that the process runs.
 *
 * @param len_out  receives the number of bytes without the closing NUL; may be NULL
 * @return its path: UTF-8, NUL-terminated, valid for the life of the process, never to be freed; NULL before a model was
 *         loaded
 *
 * Threads: may be called at any time from any thread.
 */
const char *mmnas_onnxruntime_path(size_t *len_out);

/**
 * The version of the ONNX Runtime that the process runs, such as "1.28.0".
 *
 * @param len_out  receives the number of bytes without the closing NUL; may be NULL
 * @return UTF-8, NUL-terminated, valid for the life of the process, never to be freed; "unknown" where the library does not
 *         tell; NULL before a model was loaded
 *
 * Threads: may be called at any time from any thread.
 */
const char *mmnas_onnxruntime_version(size_t *len_out);

/**
 * The name of a status, such as "MMNAS_STATUS_IO", for people.
 *
 * @param status  a status
 * @return a static, NUL-terminated text; never NULL; "MMNAS_STATUS_UNKNOWN" for a number that this library does not know
 *
 * Threads: may be called at any time from any thread.
 */
const char *mmnas_status_name(int32_t status);

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
 * The code that ONNX Runtime gave, where it was ONNX Runtime that failed: its OrtErrorCode.
 *
 * @param error  an error, or NULL
 * @return the code, from 1, which is also that of failures that ONNX Runtime has no other for; 0 where loading or running a graph
 *         was not what failed, and for NULL
 *
 * Threads: the error may be read from many threads at once.
 */
int32_t mmnas_error_onnxruntime_code(const struct mmnas_error *error);

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
 * Models whose threads are those of the process's first model share them; others have threads of their own.
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
 * Sets how many operators of a graph may run at the same time. The blocks of a network follow one another, so more than 1
 * seldom helps.
 *
 * @param options    the options to change
 * @param operators  1, which is the default, to 1024; mmnas_model_load() checks the upper end
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
 *
 * Threads: changes the options, so no other thread may use them at the same time.
 */
mmnas_status mmnas_options_set_operators_at_once(struct mmnas_options *options,
                                                 size_t operators,
                                                 struct mmnas_error **error_out);

/**
 * Sets whether threads that have nothing to do wait in a loop for a while: the next operator begins sooner, and the
 * processors are busy meanwhile. Where this is not called, those that models share do, and no others.
 *
 * @param options    the options to change
 * @param spinning   whether they do
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
 *
 * Threads: changes the options, so no other thread may use them at the same time.
 */
mmnas_status mmnas_options_set_spinning(struct mmnas_options *options,
                                        bool spinning,
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
 * Sets which graphs of the bundle run, its vision stage aside, which has one. mmnas_model_load() fails where the bundle has
 * no such graphs; mmnas_verify() checks only these.
 *
 * @param options      the options to change
 * @param variant      "ort-fp32", "ort-fp16", "ort-int8", "portable-fp32", "portable-fp16" or "portable-int8"; empty for the
 *                     default: in 32 bits where there are such, else in 8, else in 16
 * @param variant_len  the number of bytes of the variant
 * @param error_out    receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
 *
 * Threads: changes the options, so no other thread may use them at the same time.
 */
mmnas_status mmnas_options_set_variant(struct mmnas_options *options,
                                       const char *variant,
                                       size_t variant_len,
                                       struct mmnas_error **error_out);

/**
 * Allows a provider. The first call replaces the default, which is MMNAS_PROVIDER_CPU; each later one adds a provider that
 * may be taken where those before it cannot be had. So one call requires a provider, and more of them name a fall-back,
 * which is told in the log and by mmnas_model_provider(). mmnas_model_load() fails with MMNAS_STATUS_PROVIDER where none
 * can be had.
 *
 * @param options    the options to change
 * @param provider   one of mmnas_provider
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
 *
 * Threads: changes the options, so no other thread may use them at the same time.
 */
mmnas_status mmnas_options_add_provider(struct mmnas_options *options,
                                        int32_t provider,
                                        struct mmnas_error **error_out);

/**
 * Sets which of the machine's GPUs to use.
 *
 * @param options    the options to change
 * @param device     its number, from 0, which is the default
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
 *
 * Threads: changes the options, so no other thread may use them at the same time.
 */
mmnas_status mmnas_options_set_device(struct mmnas_options *options,
                                      int32_t device,
                                      struct mmnas_error **error_out);

/**
 * Sets how much memory weights and intermediate results may take; a load or a call that needs more fails. On the processor
 * all models of a process that have a limit share it, so it has to be the same in all; on a GPU it is a model's own.
 *
 * @param options    the options to change
 * @param bytes      at least 1 MiB, which mmnas_model_load() checks, or 0 for no limit, the default
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
 *
 * Threads: changes the options, so no other thread may use them at the same time.
 */
mmnas_status mmnas_options_set_memory_limit(struct mmnas_options *options,
                                            uint64_t bytes,
                                            struct mmnas_error **error_out);

/**
 * Sets what TensorRT may do.
 *
 * @param options           the options to change
 * @param engine_cache      an existing folder where TensorRT keeps the engines that it builds, which takes it minutes, for
 *                          the next load; UTF-8, copied; NULL for none, the default
 * @param engine_cache_len  the number of bytes of the folder's path; 0 for NULL
 * @param in_16_bits        whether it may compute in 16 bits where a graph says 32; false is the default
 * @param error_out         receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the options are as they were
 *
 * Threads: changes the options, so no other thread may use them at the same time.
 */
mmnas_status mmnas_options_set_tensorrt(struct mmnas_options *options,
                                        const char *engine_cache,
                                        size_t engine_cache_len,
                                        bool in_16_bits,
                                        struct mmnas_error **error_out);

/**
 * Makes an empty set of files.
 *
 * @return files that the caller owns and frees with mmnas_files_free(); NULL only if the library itself failed
 *
 * Threads: may be called at any time from any thread.
 */
struct mmnas_files *mmnas_files_new(void);

/**
 * Adds a file, or replaces the one of the same name.
 *
 * @param files      the files to change
 * @param name       its name in the bundle's folder, such as "manifest.json"; UTF-8, need not be NUL-terminated; copied
 * @param name_len   the number of bytes of the name; at least 1
 * @param bytes      its content; copied
 * @param bytes_len  the number of bytes of the content
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT; on failure the files are as they were
 *
 * Threads: changes the files, so no other thread may use them at the same time.
 */
mmnas_status mmnas_files_add(struct mmnas_files *files,
                             const char *name,
                             size_t name_len,
                             const uint8_t *bytes,
                             size_t bytes_len,
                             struct mmnas_error **error_out);

/**
 * Frees files. Models that were loaded from them stay as they are.
 *
 * @param files  files, or NULL, which does nothing
 *
 * Threads: no other thread may use the files any more.
 */
void mmnas_files_free(struct mmnas_files *files);

/**
 * Makes a token that was not used yet. mmnas_model_limited_to() and mmnas_index_limited_to() tie calls to it.
 *
 * @return a token that the caller owns and frees with mmnas_cancel_token_free(); NULL only if the library itself failed
 *
 * Threads: may be called at any time from any thread.
 */
struct mmnas_cancel_token *mmnas_cancel_token_new(void);

/**
 * Ends the calls that run with this token now, between two operators of their graphs or two batches of a search, and those
 * that are made later before they begin. They fail with MMNAS_STATUS_CANCELLED. It cannot be taken back: make another token for other calls.
 *
 * @param token      the token
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: may be called at any time from any thread. Not from a signal handler.
 */
mmnas_status mmnas_cancel_token_cancel(const struct mmnas_cancel_token *token,
                                       struct mmnas_error **error_out);

/**
 * Whether a token was cancelled.
 *
 * @param token  the token
 * @return whether it was; false for NULL
 *
 * Threads: may be called at any time from any thread.
 */
bool mmnas_cancel_token_is_cancelled(const struct mmnas_cancel_token *token);

/**
 * Frees a token. Calls that were made with it go on.
 *
 * @param token  a token, or NULL, which does nothing
 *
 * Threads: no other thread may use the token any more; models and indexes that it limits may be used.
 */
void mmnas_cancel_token_free(struct mmnas_cancel_token *token);

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
 *         MMNAS_STATUS_INVALID_BUNDLE, MMNAS_STATUS_FUTURE_VERSION, MMNAS_STATUS_ONNX_RUNTIME_MISSING,
 *         MMNAS_STATUS_PROVIDER, or MMNAS_STATUS_INFERENCE (ONNX Runtime refused a graph)
 *
 * Threads: may be called from many threads at once, also with the same options.
 */
mmnas_status mmnas_model_load(const char *path,
                              size_t path_len,
                              const struct mmnas_options *options,
                              struct mmnas_model **model_out,
                              struct mmnas_error **error_out);

/**
 * As mmnas_model_load(), for a bundle whose files are in memory: all that lie in its folder.
 *
 * @param files      the files, "manifest.json" among them; only read, and not needed after the call
 * @param options    how to load it, or NULL for the defaults; only read, and not needed after the call
 * @param model_out  receives the model, which the caller owns and frees with mmnas_model_free(), or NULL on failure
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_model_load()
 *
 * Threads: may be called from many threads at once, also with the same files and options.
 */
mmnas_status mmnas_model_load_files(const struct mmnas_files *files,
                                    const struct mmnas_options *options,
                                    struct mmnas_model **model_out,
                                    struct mmnas_error **error_out);

/**
 * Makes another handle to a loaded model, whose calls end early: at a moment, when a token is cancelled, or at whichever
 * comes first. It costs next to nothing, so make one for each request. Images and texts of either handle serve both.
 * Freeing one leaves the other.
 *
 * It cannot say that the time is over already, since 0 is no limit here: for the time that a request has left use
 * mmnas_model_limited_to(). Searches of an index have mmnas_index_limited_to().
 *
 * @param model         the model; where it is itself limited, its own limits stay with it and are not the new handle's
 * @param token         what ends the calls, or NULL for nothing; not needed after the call
 * @param milliseconds  how long from now calls may take until they fail with MMNAS_STATUS_DEADLINE_EXCEEDED, or 0 for as long
 *                      as it takes; the time runs from this call, over all calls that are made with the new handle
 * @param limited_out   receives the model, which the caller owns and frees with mmnas_model_free(), or NULL on failure
 * @param error_out     receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_model_limited(const struct mmnas_model *model,
                                 const struct mmnas_cancel_token *token,
                                 uint64_t milliseconds,
                                 struct mmnas_model **limited_out,
                                 struct mmnas_error **error_out);

/**
 * Runs every stage once on synthetic inputs, so that the first real call finds memory allocated and, on a GPU, kernels loaded.
 *
 * @param model      the model
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_model_warm_up(const struct mmnas_model *model,
                                 struct mmnas_error **error_out);

/**
 * What a model is for.
 *
 * @param model  the model
 * @return one of mmnas_task; MMNAS_TASK_NONE for NULL
 *
 * Threads: may be called at any time from any thread.
 */
mmnas_task mmnas_model_task(const struct mmnas_model *model);

/**
 * What runs a model's graphs: the first of the allowed providers that could be had.
 *
 * @param model  the model
 * @return one of mmnas_provider; MMNAS_PROVIDER_CPU for NULL
 *
 * Threads: may be called at any time from any thread.
 */
mmnas_provider mmnas_model_provider(const struct mmnas_model *model);

/**
 * Which graphs of the bundle run, such as "ort-fp32".
 *
 * @param model    the model
 * @param len_out  receives the number of bytes without the closing NUL; may be NULL
 * @return UTF-8, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); the empty text for NULL
 *
 * Threads: may be called at any time from any thread.
 */
const char *mmnas_model_variant(const struct mmnas_model *model,
                                size_t *len_out);

/**
 * How many numbers a region's features have, for mmnas_image_from_regions().
 *
 * @param model  the model
 * @return the number; 0 for NULL
 *
 * Threads: may be called at any time from any thread.
 */
size_t mmnas_model_feature_width(const struct mmnas_model *model);

/**
 * Whether a model takes pictures. One that does not takes region features only.
 *
 * @param model  the model
 * @return whether it does; false for NULL
 *
 * Threads: may be called at any time from any thread.
 */
bool mmnas_model_takes_pictures(const struct mmnas_model *model);

/**
 * How many words of a text a model reads; those behind them are left out.
 *
 * @param model  the model
 * @return the number; 0 for NULL
 *
 * Threads: may be called at any time from any thread.
 */
size_t mmnas_model_max_tokens(const struct mmnas_model *model);

/**
 * Frees a model. Answers that came from it stay valid. Images and texts do too, but serve no other model, so all that can be
 * done with them is to free them. Calls that other threads have begun with it come to their end.
 *
 * @param model  a model, or NULL, which does nothing
 *
 * Threads: may be called at any time; no call may begin with the model any more.
 */
void mmnas_model_free(struct mmnas_model *model);

/**
 * The folder that a model was loaded from, as it was given: what to show people.
 *
 * @param model    the model
 * @param len_out  receives the number of bytes without the closing NUL; may be NULL
 * @return UTF-8, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); "(memory)" where its files were in
 *         memory; the empty text for NULL
 *
 * Threads: may be called at any time from any thread.
 */
const char *mmnas_model_folder(const struct mmnas_model *model,
                               size_t *len_out);

/**
 * A number of a model's network, of all its graphs: models that have the same give the same, and an index that was made with one
 * opens with the others.
 *
 * @param model    the model
 * @param len_out  receives the number of bytes without the closing NUL; may be NULL
 * @return 64 hexadecimal digits, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); the empty text for
 *         NULL
 *
 * Threads: may be called at any time from any thread.
 */
const char *mmnas_model_identity(const struct mmnas_model *model,
                                 size_t *len_out);

/**
 * Which region features a model's vision stage gives: the number that `features.json` beside extracted features records. Store it
 * beside features of mmnas_regions, since those of another vision stage mean something else.
 *
 * @param model    the model
 * @param len_out  receives the number of bytes without the closing NUL; may be NULL
 * @return 64 hexadecimal digits, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); the empty text
 *         where the model takes no pictures, and for NULL
 *
 * Threads: may be called at any time from any thread.
 */
const char *mmnas_model_vision_identity(const struct mmnas_model *model,
                                        size_t *len_out);

/**
 * The operations of a model's network, as the search found them: its encoder's, then its decoder's.
 *
 * @param model    the model
 * @param len_out  receives the number of bytes without the closing NUL; may be NULL
 * @return UTF-8, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); the empty text for NULL
 *
 * Threads: may be called at any time from any thread.
 */
const char *mmnas_model_architecture(const struct mmnas_model *model,
                                     size_t *len_out);

/**
 * How many variants of its graphs a model's bundle has; mmnas_model_variant() tells which of them runs.
 *
 * @param model  the model
 * @return the number; 0 for NULL
 *
 * Threads: may be called at any time from any thread.
 */
size_t mmnas_model_variant_count(const struct mmnas_model *model);

/**
 * Reads a variant that a model's bundle has: what mmnas_options_set_variant() takes.
 *
 * @param model    the model
 * @param index    which one, from 0
 * @param len_out  receives the number of bytes without the closing NUL; 0 on failure; may be NULL
 * @return UTF-8, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); NULL where there is no such variant
 *
 * Threads: may be called at any time from any thread.
 */
const char *mmnas_model_variant_at(const struct mmnas_model *model,
                                   size_t index,
                                   size_t *len_out);

/**
 * How many answers a model chooses from.
 *
 * @param model  the model
 * @return the number; 0 for a model of another task than VQA, and for NULL
 *
 * Threads: may be called at any time from any thread.
 */
size_t mmnas_model_label_count(const struct mmnas_model *model);

/**
 * Reads one of the answers that a model chooses from.
 *
 * @param model    a model for VQA
 * @param index    its place in the bundle's labels, from 0, as mmnas_answers_get_logit() gives it
 * @param len_out  receives the number of bytes without the closing NUL; 0 on failure; may be NULL
 * @return UTF-8, NUL-terminated, borrowed from the model: valid until mmnas_model_free(); NULL where there is no such label
 *
 * Threads: may be called at any time from any thread.
 */
const char *mmnas_model_label_at(const struct mmnas_model *model,
                                 size_t index,
                                 size_t *len_out);

/**
 * How many numbers an embedding of an image or a text has.
 *
 * @param model  the model
 * @return the number; 0 for a model whose network has no dual encoder, and for NULL
 *
 * Threads: may be called at any time from any thread.
 */
size_t mmnas_model_embedding_width(const struct mmnas_model *model);

/**
 * How many numbers the state of a word or a region has inside a model.
 *
 * @param model  the model
 * @return the number; 0 for NULL
 *
 * Threads: may be called at any time from any thread.
 */
size_t mmnas_model_hidden_width(const struct mmnas_model *model);

/**
 * How many tokens a model tells apart: words or parts of words, and those that stand for padding and for what it does not know.
 *
 * @param model  the model
 * @return the number; 0 for NULL
 *
 * Threads: may be called at any time from any thread.
 */
size_t mmnas_model_vocabulary_size(const struct mmnas_model *model);

/**
 * How many regions a model's vision stage gives a picture at most.
 *
 * @param model  the model
 * @return the number; 0 for a model that takes no pictures, and for NULL
 *
 * Threads: may be called at any time from any thread.
 */
size_t mmnas_model_max_regions(const struct mmnas_model *model);

/**
 * Reads an image file and encodes it for a model.
 *
 * PNG, JPEG, WebP, BMP, or the first picture of a GIF, told by content; at most 20,000 pixels a side and 512 MiB decoded.
 * A rotation noted in the file's metadata (EXIF) is applied; a transparent image is seen on white. A file that ends in the middle
 * or is damaged is an error. A file whose name ends in .npz holds region features in the published layout, which every model of
 * their width takes, unless the file says that they are of another vision stage: MMNAS_STATUS_INVALID_ARGUMENT.
 *
 * @param model      the model that will be asked
 * @param path       the file, UTF-8, need not be NUL-terminated
 * @param path_len   the number of bytes of the path; at least 1
 * @param image_out  receives the image, which the caller owns and frees with mmnas_image_free(), or NULL on failure
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_IMAGE, MMNAS_STATUS_WRONG_TASK
 *         (the bundle takes no pictures), MMNAS_STATUS_INVALID_BUNDLE (an .npz that is none), MMNAS_STATUS_INFERENCE, or what
 *         ends a limited model's calls
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
 *         MMNAS_STATUS_WRONG_TASK (the bundle takes no pictures), MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_image_from_bytes(const struct mmnas_model *model,
                                    const uint8_t *bytes,
                                    size_t bytes_len,
                                    struct mmnas_image **image_out,
                                    struct mmnas_error **error_out);

/**
 * As mmnas_image_from_file(), for pixels in memory, as cameras and decoders give them.
 *
 * @param model       the model that will be asked
 * @param pixels      rows from the top; only read, and not needed after the call
 * @param pixels_len  the number of bytes: at least stride × (height − 1) + width × bytes of a pixel
 * @param width       1 to 20,000 pixels
 * @param height      1 to 20,000 pixels
 * @param stride      bytes from the beginning of a row to that of the next; at least width × bytes of a pixel
 * @param format      one of mmnas_pixel_format
 * @param image_out   receives the image, which the caller owns and frees with mmnas_image_free(), or NULL on failure
 * @param error_out   receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_WRONG_TASK (the bundle takes no pictures),
 *         MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_image_from_pixels(const struct mmnas_model *model,
                                     const uint8_t *pixels,
                                     size_t pixels_len,
                                     uint32_t width,
                                     uint32_t height,
                                     size_t stride,
                                     int32_t format,
                                     struct mmnas_image **image_out,
                                     struct mmnas_error **error_out);

/**
 * As mmnas_image_from_file(), for regions whose features are known already. Every model takes them.
 *
 * @param model         the model that will be asked
 * @param features      regions × mmnas_model_feature_width() finite numbers, region by region; only read, and not needed after
 *                      the call
 * @param features_len  how many numbers these are
 * @param boxes         x1 y1 x2 y2 of each region in pixels of the image, x2 ≥ x1 and y2 ≥ y1; boxes that stick out of the
 *                      image are cut to it; only read, and not needed after the call
 * @param boxes_len     how many numbers these are: 4 × regions; 1 to 2,048 regions
 * @param width         the image's width in pixels, or 0 where it is not known
 * @param height        the image's height in pixels, or 0 where it is not known
 * @param image_out     receives the image, which the caller owns and frees with mmnas_image_free(), or NULL on failure
 * @param error_out     receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_INFERENCE, or what ends a limited
 *         model's calls
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_image_from_regions(const struct mmnas_model *model,
                                      const float *features,
                                      size_t features_len,
                                      const float *boxes,
                                      size_t boxes_len,
                                      uint32_t width,
                                      uint32_t height,
                                      struct mmnas_image **image_out,
                                      struct mmnas_error **error_out);

/**
 * The size of the original image in pixels, as people see it.
 *
 * @param image       the image
 * @param width_out   receives the width; 0 for NULL and where it is not known; may itself be NULL
 * @param height_out  receives the height; 0 for NULL and where it is not known; may itself be NULL
 *
 * Threads: the image may be read from many threads at once.
 */
void mmnas_image_size(const struct mmnas_image *image, uint32_t *width_out, uint32_t *height_out);

/**
 * How many regions an image has.
 *
 * @param image  the image
 * @return the number; 0 for NULL
 *
 * Threads: the image may be read from many threads at once.
 */
size_t mmnas_image_region_count(const struct mmnas_image *image);

/**
 * Reads where a region of an image lies.
 *
 * @param image      the image
 * @param region     which one, from 0; less than mmnas_image_region_count()
 * @param box_out    receives four numbers, x1 y1 x2 y2 in pixels of the original image; zeros on failure
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: the image may be read from many threads at once.
 */
mmnas_status mmnas_image_region_box(const struct mmnas_image *image,
                                    size_t region,
                                    float *box_out,
                                    struct mmnas_error **error_out);

/**
 * Frees an image. Answers about it stay valid, as do indexes that hold it.
 *
 * @param image  an image, or NULL, which does nothing
 *
 * Threads: no call may begin with the image any more.
 */
void mmnas_image_free(struct mmnas_image *image);

/**
 * Reads an image file and finds its regions, as mmnas_image_from_file() does before it encodes them. A file whose name ends
 * in .npz holds ready features, which every model of their width takes, unless the file says that they are of another vision
 * stage.
 *
 * @param model        a model that takes pictures
 * @param path         the file, UTF-8, need not be NUL-terminated
 * @param path_len     the number of bytes of the path; at least 1
 * @param regions_out  receives the regions, which the caller owns and frees with mmnas_regions_free(), or NULL on failure
 * @param error_out    receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_image_from_file()
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_regions_from_file(const struct mmnas_model *model,
                                     const char *path,
                                     size_t path_len,
                                     struct mmnas_regions **regions_out,
                                     struct mmnas_error **error_out);

/**
 * As mmnas_regions_from_file(), for an image file that is in memory.
 *
 * @param model        a model that takes pictures
 * @param bytes        the content of an image file, not bare pixels; only read, and not needed after the call
 * @param bytes_len    the number of bytes
 * @param regions_out  receives the regions, which the caller owns and frees with mmnas_regions_free(), or NULL on failure
 * @param error_out    receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_image_from_bytes()
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_regions_from_bytes(const struct mmnas_model *model,
                                      const uint8_t *bytes,
                                      size_t bytes_len,
                                      struct mmnas_regions **regions_out,
                                      struct mmnas_error **error_out);

/**
 * As mmnas_regions_from_file(), for pixels in memory, which are as in mmnas_image_from_pixels().
 *
 * @param model        a model that takes pictures
 * @param pixels       rows from the top; only read, and not needed after the call
 * @param pixels_len   the number of bytes: at least stride × (height − 1) + width × bytes of a pixel
 * @param width        1 to 20,000 pixels
 * @param height       1 to 20,000 pixels
 * @param stride       bytes from the beginning of a row to that of the next; at least width × bytes of a pixel
 * @param format       one of mmnas_pixel_format
 * @param regions_out  receives the regions, which the caller owns and frees with mmnas_regions_free(), or NULL on failure
 * @param error_out    receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_image_from_pixels()
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_regions_from_pixels(const struct mmnas_model *model,
                                       const uint8_t *pixels,
                                       size_t pixels_len,
                                       uint32_t width,
                                       uint32_t height,
                                       size_t stride,
                                       int32_t format,
                                       struct mmnas_regions **regions_out,
                                       struct mmnas_error **error_out);

/**
 * Encodes regions for a model: the image is the one that mmnas_image_from_file() would have made, without the work on its pixels.
 *
 * @param model      the model that will be asked; its vision stage is that of the model that found the regions: the same graphs
 *                   (mmnas_model_vision_identity()) and settings
 * @param regions    the regions
 * @param image_out  receives the image, which the caller owns and frees with mmnas_image_free(), or NULL on failure
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for regions of another vision stage), MMNAS_STATUS_WRONG_TASK (the
 *         bundle takes no pictures), MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
 *
 * Threads: may be called from many threads at once with the same model and regions.
 */
mmnas_status mmnas_regions_encode(const struct mmnas_model *model,
                                  const struct mmnas_regions *regions,
                                  struct mmnas_image **image_out,
                                  struct mmnas_error **error_out);

/**
 * How many regions there are.
 *
 * @param regions  the regions
 * @return the number; 0 for NULL
 *
 * Threads: the regions may be read from many threads at once.
 */
size_t mmnas_regions_count(const struct mmnas_regions *regions);

/**
 * The size of the original image in pixels, as people see it.
 *
 * @param regions     the regions
 * @param width_out   receives the width; 0 for NULL and where it is not known; may itself be NULL
 * @param height_out  receives the height; 0 for NULL and where it is not known; may itself be NULL
 *
 * Threads: the regions may be read from many threads at once.
 */
void mmnas_regions_size(const struct mmnas_regions *regions,
                        uint32_t *width_out,
                        uint32_t *height_out);

/**
 * The features of all regions, as mmnas_image_from_regions() takes them.
 *
 * @param regions  the regions
 * @param len_out  receives how many numbers these are: mmnas_regions_count() × the width of the features, which is
 *                 mmnas_model_feature_width() of the model that found them; 0 for NULL; may itself be NULL
 * @return the numbers, region by region, borrowed from the regions: valid until mmnas_regions_free(); NULL for NULL
 *
 * Threads: the regions may be read from many threads at once.
 */
const float *mmnas_regions_features(const struct mmnas_regions *regions,
                                    size_t *len_out);

/**
 * Where all regions lie, as mmnas_image_from_regions() takes it.
 *
 * @param regions  the regions
 * @param len_out  receives how many numbers these are: 4 × mmnas_regions_count(); 0 for NULL; may itself be NULL
 * @return x1 y1 x2 y2 of each region in pixels of the original image, borrowed from the regions: valid until
 *         mmnas_regions_free(); NULL for NULL
 *
 * Threads: the regions may be read from many threads at once.
 */
const float *mmnas_regions_boxes(const struct mmnas_regions *regions,
                                 size_t *len_out);

/**
 * Frees regions. Images that were made of them stay valid.
 *
 * @param regions  regions, or NULL, which does nothing
 *
 * Threads: no other thread may use the regions any more.
 */
void mmnas_regions_free(struct mmnas_regions *regions);

/**
 * As mmnas_image_from_file() for many files: they are decoded on as many threads as one operator of a graph may use
 * (mmnas_options_set_threads()), and the vision stage and the image stage run on them in batches. A file that has an error loses
 * none of the others. In 32 and 16 bits the images are those that each file has alone, to rounding; in 8 bits what else is in a
 * batch moves them a little.
 *
 * @param model       the model that will be asked
 * @param paths       the files, UTF-8, need not be NUL-terminated
 * @param paths_len   the number of bytes of each path; at least 1
 * @param count       how many files these are
 * @param images_out  receives as many images, in the order of the files, each of which the caller owns and frees with
 *                    mmnas_image_free(); NULL where a file has an error, and everywhere on failure
 * @param errors_out  receives as many errors, each of which the caller owns and frees with mmnas_error_free(); NULL where a file
 *                    has an image, and everywhere on failure; may itself be NULL: what has no image has failed then
 * @param error_out   receives the error of the whole call, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, also where files have errors, or MMNAS_STATUS_INVALID_ARGUMENT; the errors of files are those of
 *         mmnas_image_from_file(), what ends a limited model's calls among them
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_image_from_file_batch(const struct mmnas_model *model,
                                         const char *const *paths,
                                         const size_t *paths_len,
                                         size_t count,
                                         struct mmnas_image **images_out,
                                         struct mmnas_error **errors_out,
                                         struct mmnas_error **error_out);

/**
 * As mmnas_image_from_file_batch(), for image files that are in memory.
 *
 * @param model       the model that will be asked
 * @param bytes       the contents of image files; only read, and not needed after the call
 * @param bytes_len   the number of bytes of each
 * @param count       how many these are
 * @param images_out  as in mmnas_image_from_file_batch()
 * @param errors_out  as in mmnas_image_from_file_batch()
 * @param error_out   receives the error of the whole call, or NULL on success; may itself be NULL
 * @return as mmnas_image_from_file_batch(); the errors of images are those of mmnas_image_from_bytes()
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_image_from_bytes_batch(const struct mmnas_model *model,
                                          const uint8_t *const *bytes,
                                          const size_t *bytes_len,
                                          size_t count,
                                          struct mmnas_image **images_out,
                                          struct mmnas_error **errors_out,
                                          struct mmnas_error **error_out);

/**
 * As mmnas_image_from_file_batch(), for pixels in memory, such as frames of a film: each picture has its own of what
 * mmnas_image_from_pixels() takes.
 *
 * @param model       the model that will be asked
 * @param pixels      rows from the top of each picture; only read, and not needed after the call
 * @param pixels_len  the number of bytes of each picture
 * @param widths      the width of each picture, 1 to 20,000 pixels
 * @param heights     the height of each picture, 1 to 20,000 pixels
 * @param strides     for each picture the bytes from the beginning of a row to that of the next
 * @param formats     for each picture one of mmnas_pixel_format
 * @param count       how many pictures these are
 * @param images_out  as in mmnas_image_from_file_batch()
 * @param errors_out  as in mmnas_image_from_file_batch()
 * @param error_out   receives the error of the whole call, or NULL on success; may itself be NULL
 * @return as mmnas_image_from_file_batch(); the errors of pictures are those of mmnas_image_from_pixels()
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_image_from_pixels_batch(const struct mmnas_model *model,
                                           const uint8_t *const *pixels,
                                           const size_t *pixels_len,
                                           const uint32_t *widths,
                                           const uint32_t *heights,
                                           const size_t *strides,
                                           const int32_t *formats,
                                           size_t count,
                                           struct mmnas_image **images_out,
                                           struct mmnas_error **errors_out,
                                           struct mmnas_error **error_out);

/**
 * As mmnas_regions_from_file() for many files, which run as in mmnas_image_from_file_batch().
 *
 * @param model        a model that takes pictures
 * @param paths        the files, UTF-8, need not be NUL-terminated
 * @param paths_len    the number of bytes of each path; at least 1
 * @param count        how many files these are
 * @param regions_out  receives as many regions, in the order of the files, each of which the caller owns and frees with
 *                     mmnas_regions_free(); NULL where a file has an error, and everywhere on failure
 * @param errors_out   as in mmnas_image_from_file_batch()
 * @param error_out    receives the error of the whole call, or NULL on success; may itself be NULL
 * @return as mmnas_image_from_file_batch()
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_regions_from_file_batch(const struct mmnas_model *model,
                                           const char *const *paths,
                                           const size_t *paths_len,
                                           size_t count,
                                           struct mmnas_regions **regions_out,
                                           struct mmnas_error **errors_out,
                                           struct mmnas_error **error_out);

/**
 * As mmnas_regions_encode() for the regions of many pictures; the image stage runs as in mmnas_image_from_file_batch().
 *
 * @param model       the model that will be asked
 * @param regions     the regions of each picture
 * @param count       how many pictures these are
 * @param images_out  as in mmnas_image_from_file_batch()
 * @param errors_out  as in mmnas_image_from_file_batch()
 * @param error_out   receives the error of the whole call, or NULL on success; may itself be NULL
 * @return as mmnas_image_from_file_batch(); the errors of pictures are those of mmnas_regions_encode()
 *
 * Threads: may be called from many threads at once with the same model and regions.
 */
mmnas_status mmnas_regions_encode_batch(const struct mmnas_model *model,
                                        const struct mmnas_regions *const *regions,
                                        size_t count,
                                        struct mmnas_image **images_out,
                                        struct mmnas_error **errors_out,
                                        struct mmnas_error **error_out);

/**
 * Encodes a text for a model. It is cut to mmnas_model_max_tokens() words.
 *
 * @param model      the model that will be asked
 * @param text       the text, UTF-8, need not be NUL-terminated
 * @param text_len   the number of bytes of the text
 * @param text_out   receives the text, which the caller owns and frees with mmnas_text_free(), or NULL on failure
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_EMPTY_TEXT, MMNAS_STATUS_INFERENCE, or what
 *         ends a limited model's calls
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_text_encode(const struct mmnas_model *model,
                               const char *text,
                               size_t text_len,
                               struct mmnas_text **text_out,
                               struct mmnas_error **error_out);

/**
 * As mmnas_text_encode() for many texts, in batches.
 *
 * @param model      the model that will be asked
 * @param texts      the beginnings of the texts, UTF-8, need not be NUL-terminated
 * @param texts_len  the number of bytes of each text
 * @param count      how many texts these are
 * @param texts_out  receives as many texts, in their order, each of which the caller owns and frees with mmnas_text_free(), or
 *                   NULLs on failure
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_text_encode(); the first text that has an error decides
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_text_encode_batch(const struct mmnas_model *model,
                                     const char *const *texts,
                                     const size_t *texts_len,
                                     size_t count,
                                     struct mmnas_text **texts_out,
                                     struct mmnas_error **error_out);

/**
 * How many words of a text were read.
 *
 * @param text  the text
 * @return the number; 0 for NULL
 *
 * Threads: the text may be read from many threads at once.
 */
size_t mmnas_text_tokens(const struct mmnas_text *text);

/**
 * Lists the words of a text that a model does not know, as the text has them: it reads each of them as one and the same unknown
 * word, and answers all the same. Words beyond mmnas_model_max_tokens() are not looked at.
 *
 * @param model      the model that will be asked
 * @param text       the text, UTF-8, need not be NUL-terminated
 * @param text_len   the number of bytes of the text
 * @param words_out  receives the words, none where the model knows all, which the caller owns and frees with mmnas_keys_free(), or
 *                   NULL on failure
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT or MMNAS_STATUS_INVALID_BUNDLE
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_text_unknown_words(const struct mmnas_model *model,
                                      const char *text,
                                      size_t text_len,
                                      struct mmnas_keys **words_out,
                                      struct mmnas_error **error_out);

/**
 * Frees a text. Answers about it stay valid, as do indexes that hold it.
 *
 * @param text  a text, or NULL, which does nothing
 *
 * Threads: no call may begin with the text any more.
 */
void mmnas_text_free(struct mmnas_text *text);

/**
 * Reads the embedding of an image by the dual encoder: a vector of length 1. The scalar product of an image's and a text's is their
 * cosine, the larger the better they belong together; a vector database finds the nearest by it, and mmnas_itm_match() then
 * scores those.
 *
 * @param model          the model of the image, for ITM, whose network has a dual encoder
 * @param image          the image
 * @param embedding_out  receives mmnas_model_embedding_width() numbers; left as it is on failure
 * @param width          how many numbers there is room for: mmnas_model_embedding_width()
 * @param error_out      receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also where the network has no embeddings, and for an image of another
 *         model) or MMNAS_STATUS_WRONG_TASK
 *
 * Threads: may be called from many threads at once with the same model and image.
 */
mmnas_status mmnas_image_embedding(const struct mmnas_model *model,
                                   const struct mmnas_image *image,
                                   float *embedding_out,
                                   size_t width,
                                   struct mmnas_error **error_out);

/**
 * As mmnas_image_embedding(), of a text.
 *
 * @param model          the model of the text, for ITM, whose network has a dual encoder
 * @param text           the text
 * @param embedding_out  receives mmnas_model_embedding_width() numbers; left as it is on failure
 * @param width          how many numbers there is room for: mmnas_model_embedding_width()
 * @param error_out      receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_image_embedding()
 *
 * Threads: may be called from many threads at once with the same model and text.
 */
mmnas_status mmnas_text_embedding(const struct mmnas_model *model,
                                  const struct mmnas_text *text,
                                  float *embedding_out,
                                  size_t width,
                                  struct mmnas_error **error_out);

/**
 * Answers a question about an image (visual question answering).
 *
 * @param model         a model for VQA
 * @param image         an image of this model
 * @param question      the question, UTF-8, need not be NUL-terminated; what is longer than the bundle allows is cut
 * @param question_len  the number of bytes of the question
 * @param top_k         how many answers are wanted, at least 1; where there are fewer, all are given
 * @param answers_out   receives the answers, which the caller owns and frees with mmnas_answers_free(), or NULL on failure
 * @param error_out     receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an image of another model), MMNAS_STATUS_EMPTY_TEXT,
 *         MMNAS_STATUS_WRONG_TASK, MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
 *
 * Threads: may be called from many threads at once with the same model and image.
 */
mmnas_status mmnas_vqa_answer(const struct mmnas_model *model,
                              const struct mmnas_image *image,
                              const char *question,
                              size_t question_len,
                              size_t top_k,
                              struct mmnas_answers **answers_out,
                              struct mmnas_error **error_out);

/**
 * As mmnas_vqa_answer() for many pairs of an image and a question, which run in batches. An image or a question may be in
 * many pairs.
 *
 * @param model        a model for VQA
 * @param images       images of this model
 * @param questions    questions of this model, as many
 * @param count        how many pairs these are
 * @param top_k        how many answers are wanted for each, at least 1; where there are fewer, all are given
 * @param answers_out  receives as many handles, in the order of the pairs, each of which the caller owns and frees with
 *                     mmnas_answers_free(), or NULLs on failure
 * @param error_out    receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_vqa_answer()
 *
 * Threads: may be called from many threads at once with the same model, images and questions.
 */
mmnas_status mmnas_vqa_answer_batch(const struct mmnas_model *model,
                                    const struct mmnas_image *const *images,
                                    const struct mmnas_text *const *questions,
                                    size_t count,
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
 * @param probability_out  receives the probability, from 0 to 1; where each answer is scored by itself, the probabilities
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
 * Reads what the network gave for an answer. The out-parameters may each be NULL when the value is not wanted; on failure they
 * receive zeros.
 *
 * @param answers    the answers
 * @param index      which one: 0 is the most probable; less than mmnas_answers_count()
 * @param logit_out  receives the network's output, of which the probability is the sigmoid or, where the
 *                   bundle says answer_scores: softmax, all answers' softmax
 * @param place_out  receives the answer's place in the bundle's labels, from 0
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: the answers may be read from many threads at once.
 */
mmnas_status mmnas_answers_get_logit(const struct mmnas_answers *answers,
                                     size_t index,
                                     float *logit_out,
                                     size_t *place_out,
                                     struct mmnas_error **error_out);

/**
 * Frees answers and their labels.
 *
 * @param answers  answers, or NULL, which does nothing
 *
 * Threads: no other thread may use the answers any more.
 */
void mmnas_answers_free(struct mmnas_answers *answers);

/**
 * Finds the parts of an image that a phrase means (visual grounding).
 *
 * @param model           a model for VGD
 * @param image           an image of this model, of known size
 * @param phrase          the phrase, UTF-8, need not be NUL-terminated; what is longer than the bundle allows is cut
 * @param phrase_len      the number of bytes of the phrase
 * @param top_k           how many parts are wanted, at least 1; where there are fewer, all are given
 * @param groundings_out  receives the parts, which the caller owns and frees with mmnas_groundings_free(), or NULL on failure
 * @param error_out       receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an image of another model or of unknown size),
 *         MMNAS_STATUS_EMPTY_TEXT, MMNAS_STATUS_WRONG_TASK, MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
 *
 * Threads: may be called from many threads at once with the same model and image.
 */
mmnas_status mmnas_vgd_ground(const struct mmnas_model *model,
                              const struct mmnas_image *image,
                              const char *phrase,
                              size_t phrase_len,
                              size_t top_k,
                              struct mmnas_groundings **groundings_out,
                              struct mmnas_error **error_out);

/**
 * As mmnas_vgd_ground() for many pairs of an image and a phrase, which run in batches. An image or a phrase may be in many
 * pairs.
 *
 * @param model           a model for VGD
 * @param images          images of this model, of known size
 * @param phrases         phrases of this model, as many
 * @param count           how many pairs these are
 * @param top_k           how many parts are wanted for each, at least 1; where there are fewer, all are given
 * @param groundings_out  receives as many handles, in the order of the pairs, each of which the caller owns and frees with
 *                        mmnas_groundings_free(), or NULLs on failure
 * @param error_out       receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_vgd_ground()
 *
 * Threads: may be called from many threads at once with the same model, images and phrases.
 */
mmnas_status mmnas_vgd_ground_batch(const struct mmnas_model *model,
                                    const struct mmnas_image *const *images,
                                    const struct mmnas_text *const *phrases,
                                    size_t count,
                                    size_t top_k,
                                    struct mmnas_groundings **groundings_out,
                                    struct mmnas_error **error_out);

/**
 * How many parts were found.
 *
 * @param groundings  the parts
 * @return the number; 0 for NULL
 *
 * Threads: the parts may be read from many threads at once.
 */
size_t mmnas_groundings_count(const struct mmnas_groundings *groundings);

/**
 * Reads one part. The out-parameters may each be NULL when the value is not wanted; on failure they receive zeros.
 *
 * @param groundings       the parts
 * @param index            which one: 0 is the most probable; less than mmnas_groundings_count()
 * @param box_out          receives four numbers, x1 y1 x2 y2 in pixels of the original image, cut to it
 * @param probability_out  receives how much of the phrase's probability the part has, 0 to 1; over all regions of the image it
 *                         sums to 1
 * @param score_out        receives the network's score of the region, before the softmax over regions
 * @param region_out       receives the region that the box was made from, for mmnas_image_region_box()
 * @param error_out        receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: the parts may be read from many threads at once.
 */
mmnas_status mmnas_groundings_get(const struct mmnas_groundings *groundings,
                                  size_t index,
                                  float *box_out,
                                  float *probability_out,
                                  float *score_out,
                                  size_t *region_out,
                                  struct mmnas_error **error_out);

/**
 * Draws the boxes on the image, as PNG to a new file.
 *
 * @param groundings  the parts
 * @param image       the image's file, UTF-8, need not be NUL-terminated
 * @param image_len   the number of bytes of the image's path; at least 1
 * @param out         the file to write, which must not be there; UTF-8, need not be NUL-terminated
 * @param out_len     the number of bytes of the file's path; at least 1
 * @param error_out   receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_IMAGE, or MMNAS_STATUS_EXISTS
 *
 * Threads: the parts may be read from many threads at once.
 */
mmnas_status mmnas_groundings_draw(const struct mmnas_groundings *groundings,
                                   const char *image,
                                   size_t image_len,
                                   const char *out,
                                   size_t out_len,
                                   struct mmnas_error **error_out);

/**
 * Frees groundings.
 *
 * @param groundings  groundings, or NULL, which does nothing
 *
 * Threads: no other thread may use the groundings any more.
 */
void mmnas_groundings_free(struct mmnas_groundings *groundings);

/**
 * Scores pairs of an image and a text (image-text matching), in batches. An image or a text may be in many pairs.
 *
 * @param model              a model for ITM
 * @param images             images of this model
 * @param texts              texts of this model, as many
 * @param count              how many pairs these are
 * @param probabilities_out  receives as many numbers, 0 to 1, how well each pair belongs together; zeros on failure; may be
 *                           NULL when they are not wanted
 * @param logits_out         receives as many numbers, what the network gave for each pair; zeros on failure; may be NULL when
 *                           they are not wanted
 * @param error_out          receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for what is of another model), MMNAS_STATUS_WRONG_TASK,
 *         MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
 *
 * Threads: may be called from many threads at once with the same model, images and texts.
 */
mmnas_status mmnas_itm_match(const struct mmnas_model *model,
                             const struct mmnas_image *const *images,
                             const struct mmnas_text *const *texts,
                             size_t count,
                             float *probabilities_out,
                             float *logits_out,
                             struct mmnas_error **error_out);

/**
 * Ranks images for a text: scores every pair. For more images than fit into memory there is mmnas_index.
 *
 * @param model        a model for ITM
 * @param text         a text of this model
 * @param images       images of this model
 * @param count        how many images these are
 * @param top_k        how many are wanted, at least 1; where there are fewer, all are given
 * @param ranking_out  receives the ranking, which the caller owns and frees with mmnas_ranking_free(), or NULL on failure
 * @param error_out    receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_itm_match()
 *
 * Threads: may be called from many threads at once with the same model, images and text.
 */
mmnas_status mmnas_itm_rank_images(const struct mmnas_model *model,
                                   const struct mmnas_text *text,
                                   const struct mmnas_image *const *images,
                                   size_t count,
                                   size_t top_k,
                                   struct mmnas_ranking **ranking_out,
                                   struct mmnas_error **error_out);

/**
 * Ranks texts for an image: scores every pair. For more texts than fit into memory there is mmnas_index.
 *
 * @param model        a model for ITM
 * @param image        an image of this model
 * @param texts        texts of this model
 * @param count        how many texts these are
 * @param top_k        how many are wanted, at least 1; where there are fewer, all are given
 * @param ranking_out  receives the ranking, which the caller owns and frees with mmnas_ranking_free(), or NULL on failure
 * @param error_out    receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_itm_match()
 *
 * Threads: may be called from many threads at once with the same model, image and texts.
 */
mmnas_status mmnas_itm_rank_texts(const struct mmnas_model *model,
                                  const struct mmnas_image *image,
                                  const struct mmnas_text *const *texts,
                                  size_t count,
                                  size_t top_k,
                                  struct mmnas_ranking **ranking_out,
                                  struct mmnas_error **error_out);

/**
 * How many images or texts a ranking has.
 *
 * @param ranking  the ranking
 * @return the number; 0 for NULL
 *
 * Threads: the ranking may be read from many threads at once.
 */
size_t mmnas_ranking_count(const struct mmnas_ranking *ranking);

/**
 * Reads one image or text of a ranking. The out-parameters may each be NULL when the value is not wanted; on failure they
 * receive NULL and zeros.
 *
 * @param ranking          the ranking
 * @param index            which one: 0 is the best; less than mmnas_ranking_count()
 * @param place_out        receives its place in the list that was ranked, from 0; in a ranking of an index, `index` itself
 * @param key_out          receives its key in the index: UTF-8, NUL-terminated, borrowed from the ranking, valid until
 *                         mmnas_ranking_free(); the empty text where a list was ranked
 * @param key_len_out      receives the number of bytes of the key without the closing NUL
 * @param probability_out  receives how well it belongs, 0 to 1
 * @param logit_out        receives what the network gave
 * @param error_out        receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: the ranking may be read from many threads at once.
 */
mmnas_status mmnas_ranking_get(const struct mmnas_ranking *ranking,
                               size_t index,
                               size_t *place_out,
                               const char **key_out,
                               size_t *key_len_out,
                               float *probability_out,
                               float *logit_out,
                               struct mmnas_error **error_out);

/**
 * Draws the first eight images of a ranking of an index side by side, as PNG to a new file. Its keys have to be names of files
 * in `folder`.
 *
 * @param ranking     the ranking
 * @param folder      where the images are, UTF-8, need not be NUL-terminated
 * @param folder_len  the number of bytes of the folder's path; at least 1
 * @param title       what to write above them, UTF-8, need not be NUL-terminated
 * @param title_len   the number of bytes of the title
 * @param out         the file to write, which must not be there; UTF-8, need not be NUL-terminated
 * @param out_len     the number of bytes of the file's path; at least 1
 * @param error_out   receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_IMAGE, or MMNAS_STATUS_EXISTS
 *
 * Threads: the ranking may be read from many threads at once.
 */
mmnas_status mmnas_ranking_draw(const struct mmnas_ranking *ranking,
                                const char *folder,
                                size_t folder_len,
                                const char *title,
                                size_t title_len,
                                const char *out,
                                size_t out_len,
                                struct mmnas_error **error_out);

/**
 * Frees a ranking and its keys.
 *
 * @param ranking  a ranking, or NULL, which does nothing
 *
 * Threads: no other thread may use the ranking any more.
 */
void mmnas_ranking_free(struct mmnas_ranking *ranking);

/**
 * Starts a thread that runs the calls of others in batches. Calls wait in a queue, the first come first; the thread takes what
 * waits there, and runs it as one batch. A full queue refuses at once, so that a service can say so instead of falling behind.
 *
 * @param model                  the model; limits of a limited one are not the batches'
 * @param max_batch              calls of a batch at most, 1 to 1024
 * @param max_wait_microseconds  how long the first call of a batch waits for others at most; 0 takes what is there
 * @param queue                  calls that may wait, 1 to 65,536
 * @param batcher_out            receives the batcher, which the caller owns and frees with mmnas_batcher_free(), or NULL on failure
 * @param error_out              receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT (also where the system starts no thread)
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_batcher_create(const struct mmnas_model *model,
                                  size_t max_batch,
                                  uint64_t max_wait_microseconds,
                                  size_t queue,
                                  struct mmnas_batcher **batcher_out,
                                  struct mmnas_error **error_out);

/**
 * As mmnas_vqa_answer(), in a batch with the calls of other threads. It returns when its own answers are there; in 8 bits what
 * else is in a batch moves them a little.
 *
 * @param batcher       the batcher
 * @param model         its model, for VQA; or what mmnas_model_limited_to() made of that, whose limits end this call: one that is ended
 *                      while its batch runs leaves the batch to the others
 * @param image         an image of this model
 * @param question      the question, UTF-8, need not be NUL-terminated; what is longer than the bundle allows is cut
 * @param question_len  the number of bytes of the question
 * @param top_k         how many answers are wanted, at least 1; where there are fewer, all are given
 * @param answers_out   receives the answers, which the caller owns and frees with mmnas_answers_free(), or NULL on failure
 * @param error_out     receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_vqa_answer(); MMNAS_STATUS_OVERLOADED where the queue is full; MMNAS_STATUS_CLOSED after
 *         mmnas_batcher_close()
 *
 * Threads: may be called from many threads at once, which is what it is for.
 */
mmnas_status mmnas_batcher_answer(const struct mmnas_batcher *batcher,
                                  const struct mmnas_model *model,
                                  const struct mmnas_image *image,
                                  const char *question,
                                  size_t question_len,
                                  size_t top_k,
                                  struct mmnas_answers **answers_out,
                                  struct mmnas_error **error_out);

/**
 * As mmnas_vgd_ground(), in a batch with the calls of other threads.
 *
 * @param batcher         the batcher
 * @param model           its model, for VGD; or what mmnas_model_limited_to() made of that, as in mmnas_batcher_answer()
 * @param image           an image of this model, of known size
 * @param phrase          the phrase, UTF-8, need not be NUL-terminated; what is longer than the bundle allows is cut
 * @param phrase_len      the number of bytes of the phrase
 * @param top_k           how many parts are wanted, at least 1; where there are fewer, all are given
 * @param groundings_out  receives the parts, which the caller owns and frees with mmnas_groundings_free(), or NULL on failure
 * @param error_out       receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_vgd_ground(); MMNAS_STATUS_OVERLOADED or MMNAS_STATUS_CLOSED as mmnas_batcher_answer()
 *
 * Threads: may be called from many threads at once, which is what it is for.
 */
mmnas_status mmnas_batcher_ground(const struct mmnas_batcher *batcher,
                                  const struct mmnas_model *model,
                                  const struct mmnas_image *image,
                                  const char *phrase,
                                  size_t phrase_len,
                                  size_t top_k,
                                  struct mmnas_groundings **groundings_out,
                                  struct mmnas_error **error_out);

/**
 * As mmnas_itm_match() for one pair of an image and a text, in a batch with the calls of other threads.
 *
 * @param batcher          the batcher
 * @param model            its model, for ITM; or what mmnas_model_limited_to() made of that, as in mmnas_batcher_answer()
 * @param image            an image of this model
 * @param text             the text, UTF-8, need not be NUL-terminated; what is longer than the bundle allows is cut
 * @param text_len         the number of bytes of the text
 * @param probability_out  receives how well they belong together, 0 to 1; 0 on failure; may be NULL
 * @param logit_out        receives what the network gave; 0 on failure; may be NULL
 * @param error_out        receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_itm_match(); MMNAS_STATUS_EMPTY_TEXT; MMNAS_STATUS_OVERLOADED or MMNAS_STATUS_CLOSED as mmnas_batcher_answer()
 *
 * Threads: may be called from many threads at once, which is what it is for.
 */
mmnas_status mmnas_batcher_match(const struct mmnas_batcher *batcher,
                                 const struct mmnas_model *model,
                                 const struct mmnas_image *image,
                                 const char *text,
                                 size_t text_len,
                                 float *probability_out,
                                 float *logit_out,
                                 struct mmnas_error **error_out);

/**
 * What a batcher has done so far. Results go out a moment before they are counted.
 *
 * @param batcher        the batcher
 * @param answered_out   receives the number of calls that were answered, with a result or an error; may be NULL
 * @param refused_out    receives the number of calls that were refused because the queue was full; may be NULL
 * @param abandoned_out  receives the number of calls that were ended before they ran; may be NULL
 * @param batches_out    receives the number of batches that ran; may be NULL; all of them 0 for NULL
 *
 * Threads: may be called at any time from any thread.
 */
void mmnas_batcher_counts(const struct mmnas_batcher *batcher,
                          uint64_t *answered_out,
                          uint64_t *refused_out,
                          uint64_t *abandoned_out,
                          uint64_t *batches_out);

/**
 * Ends a batcher: calls that wait are answered, and later ones fail with MMNAS_STATUS_CLOSED. Returns when that is done.
 *
 * @param batcher    the batcher
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, also where it is closed already, or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: may be called at any time from any thread.
 */
mmnas_status mmnas_batcher_close(const struct mmnas_batcher *batcher,
                                 struct mmnas_error **error_out);

/**
 * Frees a batcher, as mmnas_batcher_close() ends it; calls that other threads have begun with it come to their end, and the last
 * of them waits for its thread. The model stays.
 *
 * @param batcher  a batcher, or NULL, which does nothing
 *
 * Threads: may be called at any time; no call may begin with the batcher any more.
 */
void mmnas_batcher_free(struct mmnas_batcher *batcher);

/**
 * Makes a new, empty index, to be written to.
 *
 * @param model      a model for ITM; it may be freed before the index
 * @param path       the folder to make, which must not be there; UTF-8, need not be NUL-terminated
 * @param path_len   the number of bytes of the path; at least 1
 * @param kind       one of mmnas_index_kind
 * @param index_out  receives the index, which the caller owns and frees with mmnas_index_free(), or NULL on failure
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_WRONG_TASK, MMNAS_STATUS_IO, MMNAS_STATUS_EXISTS, or
 *         MMNAS_STATUS_INVALID_BUNDLE (written before bundles had what an index needs)
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_index_create(const struct mmnas_model *model,
                                const char *path,
                                size_t path_len,
                                int32_t kind,
                                struct mmnas_index **index_out,
                                struct mmnas_error **error_out);

/**
 * Opens an index that this model, or another load of its bundle, has made. Where the model is limited, its limits are those of
 * all searches; mmnas_index_limited_to() gives a search limits of its own.
 *
 * @param model      the model; it may be freed before the index
 * @param path       the index's folder, UTF-8, need not be NUL-terminated
 * @param path_len   the number of bytes of the path; at least 1
 * @param kind       one of mmnas_index_kind: what the index holds
 * @param writable   whether it is to be changed, which one opened index at a time may do, of all processes; any number may read
 *                   meanwhile, and see what was committed when they opened
 * @param index_out  receives the index, which the caller owns and frees with mmnas_index_free(), or NULL on failure
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an index of another model), MMNAS_STATUS_WRONG_TASK,
 *         MMNAS_STATUS_IO, MMNAS_STATUS_INVALID_BUNDLE (damaged, or of the other kind), MMNAS_STATUS_FUTURE_VERSION, or MMNAS_STATUS_EXISTS (it is being written; the
 *         message says whether by this process or by another)
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_index_open(const struct mmnas_model *model,
                              const char *path,
                              size_t path_len,
                              int32_t kind,
                              bool writable,
                              struct mmnas_index **index_out,
                              struct mmnas_error **error_out);

/**
 * Adds an image to an index of images, or replaces the one that has the key. It counts from mmnas_index_commit() on.
 *
 * @param index      the index
 * @param key        its key, such as a file's name; UTF-8, need not be NUL-terminated; at most 64 KiB; copied
 * @param key_len    the number of bytes of the key
 * @param image      an image of the index's model
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an index of texts or one opened for reading), or
 *         MMNAS_STATUS_IO; on failure the index is as it was
 *
 * Threads: changes the index; calls of other threads with the same index wait.
 */
mmnas_status mmnas_index_put_image(struct mmnas_index *index,
                                   const char *key,
                                   size_t key_len,
                                   const struct mmnas_image *image,
                                   struct mmnas_error **error_out);

/**
 * Adds a text to an index of texts, or replaces the one that has the key. It counts from mmnas_index_commit() on.
 *
 * @param index      the index
 * @param key        its key, such as the text itself; UTF-8, need not be NUL-terminated; at most 64 KiB; copied
 * @param key_len    the number of bytes of the key
 * @param text       a text of the index's model
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_index_put_image()
 *
 * Threads: changes the index; calls of other threads with the same index wait.
 */
mmnas_status mmnas_index_put_text(struct mmnas_index *index,
                                  const char *key,
                                  size_t key_len,
                                  const struct mmnas_text *text,
                                  struct mmnas_error **error_out);

/**
 * Deletes what has a key, from mmnas_index_commit() on; nothing happens where there is none. mmnas_index_compact() gives its
 * room back.
 *
 * @param index      the index
 * @param key        the key, UTF-8, need not be NUL-terminated
 * @param key_len    the number of bytes of the key
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT (also for an index opened for reading)
 *
 * Threads: changes the index; calls of other threads with the same index wait.
 */
mmnas_status mmnas_index_delete(struct mmnas_index *index,
                                const char *key,
                                size_t key_len,
                                struct mmnas_error **error_out);

/**
 * Saves: makes everything that was added and deleted count, all of it or, where the disk is full or the process is killed,
 * nothing.
 *
 * @param index      the index
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, or MMNAS_STATUS_IO
 *
 * Threads: changes the index; calls of other threads with the same index wait.
 */
mmnas_status mmnas_index_commit(struct mmnas_index *index,
                                struct mmnas_error **error_out);

/**
 * Commits, and gives back the room of what was deleted and replaced; needs as much room as the index has.
 *
 * @param index      the index
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, or MMNAS_STATUS_INVALID_BUNDLE (damaged)
 *
 * Threads: changes the index; calls of other threads with the same index wait.
 */
mmnas_status mmnas_index_compact(struct mmnas_index *index,
                                 struct mmnas_error **error_out);

/**
 * How many images or texts an index holds.
 *
 * @param index  the index
 * @return the number; 0 for NULL
 *
 * Threads: the index may be read from many threads at once.
 */
size_t mmnas_index_count(const struct mmnas_index *index);

/**
 * Whether an index holds something with this key.
 *
 * @param index    the index
 * @param key      the key, UTF-8, need not be NUL-terminated
 * @param key_len  the number of bytes of the key
 * @return whether it does; false where an argument is not valid
 *
 * Threads: the index may be read from many threads at once.
 */
bool mmnas_index_contains(const struct mmnas_index *index, const char *key, size_t key_len);

/**
 * How many bytes an index's states take on disk, and how many of them mmnas_index_compact() would give back.
 *
 * @param index        the index
 * @param bytes_out    receives the bytes of all; 0 for NULL; may be NULL
 * @param garbage_out  receives those of what was deleted or replaced; 0 for NULL; may be NULL
 *
 * Threads: the index may be read from many threads at once.
 */
void mmnas_index_bytes(const struct mmnas_index *index,
                       uint64_t *bytes_out,
                       uint64_t *garbage_out);

/**
 * How many numbers an embedding has: whether there can be shortlists, and what mmnas_index_export() writes.
 *
 * @param index  the index
 * @return the number; 0 where the network has no embeddings, and for NULL
 *
 * Threads: the index may be read from many threads at once.
 */
size_t mmnas_index_embedding_width(const struct mmnas_index *index);

/**
 * Lists the keys of an index, in their order.
 *
 * @param index      the index
 * @param keys_out   receives the keys, which the caller owns and frees with mmnas_keys_free(), or NULL on failure
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: the index may be read from many threads at once.
 */
mmnas_status mmnas_index_keys(const struct mmnas_index *index,
                              struct mmnas_keys **keys_out,
                              struct mmnas_error **error_out);

/**
 * Frees a handle to an index, and closes the index where it was the last: what was not committed is forgotten.
 *
 * @param index  an index, or NULL, which does nothing
 *
 * Threads: no call may begin with the index any more.
 */
void mmnas_index_free(struct mmnas_index *index);

/**
 * Finds the images of an index that a text belongs to best.
 *
 * @param index        an index of images
 * @param text         a text of the index's model
 * @param top_k        how many are wanted, at least 1; where there are fewer, all are given
 * @param shortlist    how many the network scores: those whose embeddings are nearest; 0 scores all, which takes longer and
 *                     misses none
 * @param ranking_out  receives the ranking, which the caller owns and frees with mmnas_ranking_free(), or NULL on failure
 * @param error_out    receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an index of texts, for a text of another model, and for a
 *         shortlist where the network has no embeddings), MMNAS_STATUS_IO, MMNAS_STATUS_INVALID_BUNDLE (a damaged index),
 *         MMNAS_STATUS_INFERENCE, or what ends the searches of a limited handle, else the calls of the
 *         model that the index was opened with
 *
 * Threads: the index may be read from many threads at once.
 */
mmnas_status mmnas_index_find_images(const struct mmnas_index *index,
                                     const struct mmnas_text *text,
                                     size_t top_k,
                                     size_t shortlist,
                                     struct mmnas_ranking **ranking_out,
                                     struct mmnas_error **error_out);

/**
 * Finds the texts of an index that belong to an image best.
 *
 * @param index        an index of texts
 * @param image        an image of the index's model
 * @param top_k        how many are wanted, at least 1; where there are fewer, all are given
 * @param shortlist    as in mmnas_index_find_images()
 * @param ranking_out  receives the ranking, which the caller owns and frees with mmnas_ranking_free(), or NULL on failure
 * @param error_out    receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_index_find_images()
 *
 * Threads: the index may be read from many threads at once.
 */
mmnas_status mmnas_index_find_texts(const struct mmnas_index *index,
                                    const struct mmnas_image *image,
                                    size_t top_k,
                                    size_t shortlist,
                                    struct mmnas_ranking **ranking_out,
                                    struct mmnas_error **error_out);

/**
 * As mmnas_index_find_images() for many texts: where the network scores all images, each is read once for all of them.
 *
 * @param index         an index of images
 * @param texts         texts of the index's model
 * @param count         how many texts these are
 * @param top_k         how many images are wanted for each, at least 1; where there are fewer, all are given
 * @param shortlist     as in mmnas_index_find_images()
 * @param rankings_out  receives as many handles, in the order of the texts, each of which the caller owns and frees with
 *                      mmnas_ranking_free(), or NULLs on failure
 * @param error_out     receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_index_find_images()
 *
 * Threads: the index may be read from many threads at once.
 */
mmnas_status mmnas_index_find_images_batch(const struct mmnas_index *index,
                                           const struct mmnas_text *const *texts,
                                           size_t count,
                                           size_t top_k,
                                           size_t shortlist,
                                           struct mmnas_ranking **rankings_out,
                                           struct mmnas_error **error_out);

/**
 * As mmnas_index_find_texts() for many images: where the network scores all texts, each is read once for all of them.
 *
 * @param index         an index of texts
 * @param images        images of the index's model
 * @param count         how many images these are
 * @param top_k         how many texts are wanted for each, at least 1; where there are fewer, all are given
 * @param shortlist     as in mmnas_index_find_images()
 * @param rankings_out  receives as many handles, in the order of the images, each of which the caller owns and frees with
 *                      mmnas_ranking_free(), or NULLs on failure
 * @param error_out     receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_index_find_images()
 *
 * Threads: the index may be read from many threads at once.
 */
mmnas_status mmnas_index_find_texts_batch(const struct mmnas_index *index,
                                          const struct mmnas_image *const *images,
                                          size_t count,
                                          size_t top_k,
                                          size_t shortlist,
                                          struct mmnas_ranking **rankings_out,
                                          struct mmnas_error **error_out);

/**
 * Makes another handle to a loaded model, as mmnas_model_limited() does, for the time that a request has left: also where that
 * is none. What ends are calls that read pictures or texts, or run the network.
 *
 * @param model         the model; where it is itself limited, its own limits stay with it and are not the new handle's
 * @param token         what ends the calls, or NULL for nothing; not needed after the call
 * @param milliseconds  how long from now calls may take, over all calls that are made with the new handle; MMNAS_AT_ONCE (0) or
 *                      less: they end at once; MMNAS_NO_DEADLINE: as long as it takes
 * @param limited_out   receives the model, which the caller owns and frees with mmnas_model_free(), or NULL on failure
 * @param error_out     receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: may be called from many threads at once with the same model.
 */
mmnas_status mmnas_model_limited_to(const struct mmnas_model *model,
                                    const struct mmnas_cancel_token *token,
                                    int64_t milliseconds,
                                    struct mmnas_model **limited_out,
                                    struct mmnas_error **error_out);

/**
 * Makes another handle to an open index, whose searches end early: after a time, when a token is cancelled, or at whichever
 * comes first. It costs next to nothing, so make one for each request.
 *
 * The searches are the mmnas_index_find_... functions; mmnas_index_get_image() and mmnas_index_get_text() end early too. They
 * look at the limits between two batches of what they score, while a shortlist is made (the next search goes on with it where
 * this one stopped), and inside the network's graphs; and they do not wait longer for a change by another thread. All other
 * functions do with either handle the same, to the one index, which is open until the last of its handles is freed.
 *
 * @param index         the index; where it is itself limited, or was opened with a model that is, those limits are not the new
 *                      handle's
 * @param token         what ends the searches, or NULL for nothing; not needed after the call
 * @param milliseconds  how long from now searches may take, over all that are made with the new handle; MMNAS_AT_ONCE (0) or
 *                      less: they end at once; MMNAS_NO_DEADLINE: as long as it takes
 * @param limited_out   receives the index, which the caller owns and frees with mmnas_index_free(), or NULL on failure
 * @param error_out     receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: may be called from many threads at once with the same index.
 */
mmnas_status mmnas_index_limited_to(const struct mmnas_index *index,
                                    const struct mmnas_cancel_token *token,
                                    int64_t milliseconds,
                                    struct mmnas_index **limited_out,
                                    struct mmnas_error **error_out);

/**
 * Reads an image of an index, as mmnas_image_from_file() would have given it, to 16 bits.
 *
 * @param index      an index of images
 * @param key        its key, UTF-8, need not be NUL-terminated
 * @param key_len    the number of bytes of the key
 * @param image_out  receives the image, which the caller owns and frees with mmnas_image_free(); NULL on failure, and where there
 *                   is no such key, which is none
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an index of texts), MMNAS_STATUS_INVALID_BUNDLE (damaged),
 *         MMNAS_STATUS_INFERENCE, or what ends the searches
 *
 * Threads: the index may be read from many threads at once.
 */
mmnas_status mmnas_index_get_image(const struct mmnas_index *index,
                                   const char *key,
                                   size_t key_len,
                                   struct mmnas_image **image_out,
                                   struct mmnas_error **error_out);

/**
 * Reads a text of an index, as mmnas_text_encode() would have given it, to 16 bits.
 *
 * @param index      an index of texts
 * @param key        its key, UTF-8, need not be NUL-terminated
 * @param key_len    the number of bytes of the key
 * @param text_out   receives the text, which the caller owns and frees with mmnas_text_free(); NULL on failure, and where there is
 *                   no such key, which is none
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also for an index of images), MMNAS_STATUS_INVALID_BUNDLE (damaged),
 *         or what ends the searches
 *
 * Threads: the index may be read from many threads at once.
 */
mmnas_status mmnas_index_get_text(const struct mmnas_index *index,
                                  const char *key,
                                  size_t key_len,
                                  struct mmnas_text **text_out,
                                  struct mmnas_error **error_out);

/**
 * Reads the embedding of what has a key.
 *
 * @param index          the index
 * @param key            the key, UTF-8, need not be NUL-terminated
 * @param key_len        the number of bytes of the key
 * @param embedding_out  receives mmnas_index_embedding_width() numbers, a vector of length 1; left as it is on failure
 * @param width          how many numbers there is room for: mmnas_index_embedding_width()
 * @param error_out      receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT (also where there is no such key, or the network has no embeddings), or
 *         MMNAS_STATUS_INVALID_BUNDLE (damaged)
 *
 * Threads: the index may be read from many threads at once.
 */
mmnas_status mmnas_index_embedding(const struct mmnas_index *index,
                                   const char *key,
                                   size_t key_len,
                                   float *embedding_out,
                                   size_t width,
                                   struct mmnas_error **error_out);

/**
 * What an index holds, without opening it.
 *
 * @param path       the index's folder, UTF-8, need not be NUL-terminated
 * @param path_len   the number of bytes of the path; at least 1
 * @param kind_out   receives one of mmnas_index_kind; MMNAS_INDEX_KIND_IMAGES on failure; may be NULL
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_INVALID_BUNDLE (damaged), or
 *         MMNAS_STATUS_FUTURE_VERSION
 *
 * Threads: may be called at any time from any thread.
 */
mmnas_status mmnas_index_kind_of(const char *path,
                                 size_t path_len,
                                 mmnas_index_kind *kind_out,
                                 struct mmnas_error **error_out);

/**
 * Writes the keys and embeddings of an index to a new file, for a vector database.
 *
 * @param index      an index of a network with embeddings
 * @param out        the file to write, which must not be there; UTF-8, need not be NUL-terminated
 * @param out_len    the number of bytes of the file's path; at least 1
 * @param format     one of mmnas_embedding_format
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_EXISTS, or
 *         MMNAS_STATUS_INVALID_BUNDLE (damaged)
 *
 * Threads: the index may be read from many threads at once.
 */
mmnas_status mmnas_index_export(const struct mmnas_index *index,
                                const char *out,
                                size_t out_len,
                                int32_t format,
                                struct mmnas_error **error_out);

/**
 * How many keys there are.
 *
 * @param keys  the keys
 * @return the number; 0 for NULL
 *
 * Threads: the keys may be read from many threads at once.
 */
size_t mmnas_keys_count(const struct mmnas_keys *keys);

/**
 * Reads one key.
 *
 * @param keys     the keys
 * @param index    which one, from 0
 * @param len_out  receives the number of bytes without the closing NUL; 0 on failure; may be NULL
 * @return UTF-8, NUL-terminated, borrowed from the keys: valid until mmnas_keys_free(); NULL where there is no such key
 *
 * Threads: the keys may be read from many threads at once.
 */
const char *mmnas_keys_get(const struct mmnas_keys *keys,
                           size_t index,
                           size_t *len_out);

/**
 * Frees keys.
 *
 * @param keys  keys, or NULL, which does nothing
 *
 * Threads: no other thread may use the keys any more.
 */
void mmnas_keys_free(struct mmnas_keys *keys);

/**
 * Tells how much each word of a text and each region of an image counts: the network's attention after its last block, for
 * VGD the regions' probabilities. It tells where the network gathered its answer from, not why it gave it.
 *
 * @param model            the model
 * @param image            an image of this model
 * @param text             the question, caption or phrase, UTF-8, need not be NUL-terminated
 * @param text_len         the number of bytes of the text
 * @param explanation_out  receives the explanation, which the caller owns and frees with mmnas_explanation_free(), or NULL on
 *                         failure
 * @param error_out        receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_EMPTY_TEXT, MMNAS_STATUS_INVALID_BUNDLE (it was written
 *         before bundles had these numbers), MMNAS_STATUS_INFERENCE, or what ends a limited model's calls
 *
 * Threads: may be called from many threads at once with the same model and image.
 */
mmnas_status mmnas_explain(const struct mmnas_model *model,
                           const struct mmnas_image *image,
                           const char *text,
                           size_t text_len,
                           struct mmnas_explanation **explanation_out,
                           struct mmnas_error **error_out);

/**
 * How many words an explanation weighs.
 *
 * @param explanation  the explanation
 * @return the number; 0 for NULL
 *
 * Threads: the explanation may be read from many threads at once.
 */
size_t mmnas_explanation_word_count(const struct mmnas_explanation *explanation);

/**
 * Reads one word with its weight. The out-parameters may each be NULL when the value is not wanted; on failure they receive
 * NULL and zeros.
 *
 * @param explanation   the explanation
 * @param index         which one, in the order of the text; less than mmnas_explanation_word_count()
 * @param word_out      receives the word: UTF-8, NUL-terminated, borrowed from the explanation, valid until
 *                      mmnas_explanation_free()
 * @param word_len_out  receives the number of bytes of the word without the closing NUL
 * @param weight_out    receives the weight, 0 to 1; over all words it sums to 1
 * @param error_out     receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: the explanation may be read from many threads at once.
 */
mmnas_status mmnas_explanation_word(const struct mmnas_explanation *explanation,
                                    size_t index,
                                    const char **word_out,
                                    size_t *word_len_out,
                                    float *weight_out,
                                    struct mmnas_error **error_out);

/**
 * How many regions an explanation weighs.
 *
 * @param explanation  the explanation
 * @return the number; 0 for NULL
 *
 * Threads: the explanation may be read from many threads at once.
 */
size_t mmnas_explanation_region_count(const struct mmnas_explanation *explanation);

/**
 * Reads one region with its weight. The out-parameters may each be NULL when the value is not wanted; on failure they receive
 * zeros.
 *
 * @param explanation  the explanation
 * @param index        which one, in the order of the image's regions; less than mmnas_explanation_region_count()
 * @param box_out      receives four numbers, x1 y1 x2 y2 in pixels of the original image
 * @param weight_out   receives the weight, 0 to 1; over all regions it sums to 1
 * @param error_out    receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: the explanation may be read from many threads at once.
 */
mmnas_status mmnas_explanation_region(const struct mmnas_explanation *explanation,
                                      size_t index,
                                      float *box_out,
                                      float *weight_out,
                                      struct mmnas_error **error_out);

/**
 * Draws an explanation, as PNG to a new file: the image with its regions shaded, and the words under it.
 *
 * @param explanation  the explanation
 * @param image        the image's file, UTF-8, need not be NUL-terminated
 * @param image_len    the number of bytes of the image's path; at least 1
 * @param title        what to write under the words, such as the answer; UTF-8, need not be NUL-terminated
 * @param title_len    the number of bytes of the title
 * @param out          the file to write, which must not be there; UTF-8, need not be NUL-terminated
 * @param out_len      the number of bytes of the file's path; at least 1
 * @param error_out    receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK, MMNAS_STATUS_INVALID_ARGUMENT, MMNAS_STATUS_IO, MMNAS_STATUS_IMAGE, or MMNAS_STATUS_EXISTS
 *
 * Threads: the explanation may be read from many threads at once.
 */
mmnas_status mmnas_explanation_draw(const struct mmnas_explanation *explanation,
                                    const char *image,
                                    size_t image_len,
                                    const char *title,
                                    size_t title_len,
                                    const char *out,
                                    size_t out_len,
                                    struct mmnas_error **error_out);

/**
 * Frees an explanation and its words.
 *
 * @param explanation  an explanation, or NULL, which does nothing
 *
 * Threads: no other thread may use the explanation any more.
 */
void mmnas_explanation_free(struct mmnas_explanation *explanation);

/**
 * Checks the hash of every file of a bundle (unless the options say not to), runs its graphs on their recorded inputs, and compares with the recorded outputs.
 * Outputs that differ are no failure of the call: see mmnas_verification_passed().
 *
 * @param path              the bundle's folder, UTF-8, need not be NUL-terminated
 * @param path_len          the number of bytes of the path; at least 1
 * @param options           how to load it, or NULL for the defaults; where they set a variant only it is checked
 * @param timed             whether to time the graphs too
 * @param verification_out  receives the outcome, which the caller owns and frees with mmnas_verification_free(), or NULL on
 *                          failure
 * @param error_out         receives the error, or NULL on success; may itself be NULL
 * @return as mmnas_model_load()
 *
 * Threads: may be called from many threads at once, also with the same options.
 */
mmnas_status mmnas_verify(const char *path,
                          size_t path_len,
                          const struct mmnas_options *options,
                          bool timed,
                          struct mmnas_verification **verification_out,
                          struct mmnas_error **error_out);

/**
 * Whether every check passed.
 *
 * @param verification  the outcome
 * @return whether it did; false for NULL
 *
 * Threads: the outcome may be read from many threads at once.
 */
bool mmnas_verification_passed(const struct mmnas_verification *verification);

/**
 * How many checks there were.
 *
 * @param verification  the outcome
 * @return the number; 0 for NULL
 *
 * Threads: the outcome may be read from many threads at once.
 */
size_t mmnas_verification_count(const struct mmnas_verification *verification);

/**
 * Reads one check. The out-parameters may each be NULL when the value is not wanted; on failure they receive NULL and zeros.
 *
 * @param verification      the outcome
 * @param index             which check; less than mmnas_verification_count()
 * @param stage_out         receives what was checked, such as "fusion" or "network": ASCII, NUL-terminated, borrowed from the
 *                          outcome, valid until mmnas_verification_free()
 * @param variant_out       receives its variant, such as "ort-int8", as the stage
 * @param difference_out    receives the largest difference; infinite where outputs cannot be compared
 * @param tolerance_out     receives the largest difference that passes
 * @param milliseconds_out  receives the median milliseconds of one item; 0 where it was not timed
 * @param error_out         receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: the outcome may be read from many threads at once.
 */
mmnas_status mmnas_verification_get(const struct mmnas_verification *verification,
                                    size_t index,
                                    const char **stage_out,
                                    const char **variant_out,
                                    double *difference_out,
                                    double *tolerance_out,
                                    double *milliseconds_out,
                                    struct mmnas_error **error_out);

/**
 * Why the outputs of a check cannot be compared.
 *
 * @param verification  the outcome
 * @param index         which check
 * @param len_out       receives the number of bytes without the closing NUL; 0 on failure; may be NULL
 * @return UTF-8, NUL-terminated, borrowed from the outcome: valid until mmnas_verification_free(); the empty text where they
 *         can be compared; NULL where there is no such check
 *
 * Threads: the outcome may be read from many threads at once.
 */
const char *mmnas_verification_problem(const struct mmnas_verification *verification,
                                       size_t index,
                                       size_t *len_out);

/**
 * Frees the outcome of a verification.
 *
 * @param verification  the outcome, or NULL, which does nothing
 *
 * Threads: no other thread may use it any more.
 */
void mmnas_verification_free(struct mmnas_verification *verification);

/**
 * Tells the library whom to tell what happens; until then it tells nobody. There is one such listener a process: a call replaces
 * the one before. mmnas_log_listen() adds any number of others.
 *
 * When the call returns, the listener before it is not called any more, so what its `user_data` led to may go. The call waits
 * for listeners that are just being told something, so the caller must hold no lock that they take.
 *
 * @param level      one of mmnas_log_level: messages that matter less are left out
 * @param callback   who is told, or NULL for nobody
 * @param user_data  handed to the callback as it is; may be NULL
 * @param error_out  receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: may be called at any time from any thread, but not from the callback.
 */
mmnas_status mmnas_log_set(int32_t level,
                           mmnas_log_callback callback,
                           void *user_data,
                           struct mmnas_error **error_out);

/**
 * Adds a listener, which is told what happens beside all others, for as long as its handle lives: parts of a program need not
 * know of one another.
 *
 * @param level         one of mmnas_log_level: messages that matter less are left out
 * @param callback      who is told; not NULL
 * @param user_data     handed to the callback as it is; may be NULL
 * @param listener_out  receives the listener, which the caller owns and frees with mmnas_log_listener_free(), or NULL on failure
 * @param error_out     receives the error, or NULL on success; may itself be NULL
 * @return MMNAS_STATUS_OK or MMNAS_STATUS_INVALID_ARGUMENT
 *
 * Threads: may be called at any time from any thread, but not from a callback. It waits as mmnas_log_set() does.
 */
mmnas_status mmnas_log_listen(int32_t level,
                              mmnas_log_callback callback,
                              void *user_data,
                              struct mmnas_log_listener **listener_out,
                              struct mmnas_error **error_out);

/**
 * Ends a listener. When the call returns it is not called any more, so what its `user_data` led to may go.
 *
 * @param listener  a listener, or NULL, which does nothing
 *
 * Threads: may be called at any time from any thread, but not from a callback: there it does nothing, and the listener goes on.
 * It waits as mmnas_log_set() does.
 */
void mmnas_log_listener_free(struct mmnas_log_listener *listener);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MMNAS_RUNTIME_H */
