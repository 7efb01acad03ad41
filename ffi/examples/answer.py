"""Answers a question about an image through the C ABI alone: python3 answer.py LIBRARY BUNDLE IMAGE QUESTION"""

import ctypes as c
import sys


class Mmnas:
    """Calls functions of the library whose last parameter receives an error."""

    def __init__(self, path):
        self.library = c.CDLL(path)
        self.library.mmnas_error_message.restype = c.c_char_p

    def __getattr__(self, name):
        function = getattr(self.library, "mmnas_" + name)

        def call(*arguments):
            error = c.c_void_p()
            if function(*arguments, c.byref(error)) != 0:
                message = self.library.mmnas_error_message(error, None).decode()
                self.library.mmnas_error_free(error)
                raise RuntimeError(message)

        return call

    def free(self, kind, handle):
        getattr(self.library, f"mmnas_{kind}_free")(handle)


def text(value):
    encoded = value.encode()
    return encoded, c.c_size_t(len(encoded))


def main(library, bundle, picture, question):
    mmnas = Mmnas(library)
    model, image, answers = c.c_void_p(), c.c_void_p(), c.c_void_p()
    try:
        mmnas.model_load(*text(bundle), None, c.byref(model))
        mmnas.image_from_file(model, *text(picture), c.byref(image))
        mmnas.vqa_answer(model, image, *text(question), c.c_size_t(3), c.byref(answers))
        mmnas.library.mmnas_answers_count.restype = c.c_size_t
        for index in range(mmnas.library.mmnas_answers_count(answers)):
            label, probability = c.c_char_p(), c.c_float()
            mmnas.answers_get(answers, c.c_size_t(index), c.byref(label), None, c.byref(probability))
            print(f"{100 * probability.value:5.1f} %  {label.value.decode()}")
    except RuntimeError as error:
        sys.exit(f"answer.py: {error}")
    finally:
        mmnas.free("answers", answers)
        mmnas.free("image", image)
        mmnas.free("model", model)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
