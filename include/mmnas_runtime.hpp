// mmnas_runtime.hpp: the C++17 side of mmnas_runtime.h, which is the manual: what functions do, own and fail with is told there.
//
// Nothing here is compiled into a library of its own: include it and link the C library. Classes own what they hold, can be
// moved and not copied, and free it when they end. A failure is a Result without a value; programs that prefer exceptions say
// or_throw() where they take one. Text goes in as std::string_view, paths as mmnas::Path, which strings and
// std::filesystem::path turn into, numbers as mmnas::Span, which vectors and arrays turn into, objects in std::vector. What
// has elements is gone through with a range-based for; in C++20 it is a random-access range.
//
//     #include <iostream>
//     #include "mmnas_runtime.hpp"
//
//     int main()
//     {
//         auto model = mmnas::Model::load("bundle").or_throw();
//         auto image = mmnas::Image::from_file(model, "image.png").or_throw();
//         auto answers = model.answer(image, "what is this?", 3).or_throw();
//         for (const mmnas::Answer &answer : answers)
//             std::cout << answer.label << ' ' << answer.probability << '\n';
//     }
//
// An object that was moved from holds nothing: calls with it fail with MMNAS_STATUS_INVALID_ARGUMENT, as calls with NULL do in C.
// Views (std::string_view) and iterators are of the object that they were asked of, so they cannot be asked of one that is about
// to end; they stay good where it is moved.

#ifndef MMNAS_RUNTIME_HPP
#define MMNAS_RUNTIME_HPP

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__cpp_exceptions)
#include <stdexcept>
#endif

#include "mmnas_runtime.h"

namespace mmnas {

// Elements of somebody else's, one after the other.
template <class T>
class Span {
public:
    constexpr Span() noexcept = default;
    constexpr Span(const T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <std::size_t N>
    constexpr Span(const T (&array)[N]) noexcept : data_(array), size_(N) {}
    template <class Container, class = std::enable_if_t<std::is_convertible_v<
                                   decltype(std::declval<const Container &>().data()), const T *>>>
    constexpr Span(const Container &container) noexcept : data_(container.data()), size_(container.size()) {}

    constexpr const T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr const T *begin() const noexcept { return data_; }
    constexpr const T *end() const noexcept { return data_ + size_; }

private:
    const T *data_ = nullptr;
    std::size_t size_ = 0;
};

// A path that goes in: a text in UTF-8, or whatever else std::filesystem::path can be made of, wide texts included. It is of
// what it was made of, as std::string_view is. What the file system does not have as Unicode cannot be said: such a path is an
// error of status INVALID_ARGUMENT. Wide texts are converted by std::filesystem::path, which throws where it cannot: outside of
// Windows some libraries convert ASCII alone.
class Path {
public:
    template <class Text, std::enable_if_t<std::is_convertible_v<const Text &, std::string_view>, int> = 0>
    Path(const Text &path) : view_(path)
    {
    }
    template <class Other, std::enable_if_t<!std::is_convertible_v<const Other &, std::string_view>
                                                && std::is_convertible_v<const Other &, std::filesystem::path>,
                                            int> = 0>
    Path(const Other &path) : owned_(bytes(std::filesystem::path(path).u8string())), view_(owned_)
    {
    }
    Path(const Path &) = delete;
    Path &operator=(const Path &) = delete;

    const char *data() const noexcept { return view_.data(); }
    std::size_t size() const noexcept { return view_.size(); }
    bool empty() const noexcept { return view_.empty(); }

private:
    // C++20 has a character type of its own for UTF-8.
    template <class Utf8>
    static std::string bytes(const Utf8 &text)
    {
        return std::string(text.begin(), text.end());
    }

    std::string owned_;
    std::string_view view_;
};

// Why a call failed.
struct Error {
    mmnas_status status = MMNAS_STATUS_OK;
    std::string message;
    // ONNX Runtime's own code, where it was ONNX Runtime that failed, else 0.
    std::int32_t onnxruntime_code = 0;
};

#if defined(__cpp_exceptions)
// What or_throw() throws.
class Exception : public std::runtime_error {
public:
    explicit Exception(Error error) : std::runtime_error(error.message), error_(std::move(error)) {}
    const Error &error() const noexcept { return error_; }

private:
    Error error_;
};
#endif

// A value, or the error that there is none.
template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : value_(std::move(value)) {}
    Result(Error error) : error_(std::move(error)) {}

    bool has_value() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    // Only where there is one: look first.
    T &operator*() & noexcept { return *value_; }
    const T &operator*() const & noexcept { return *value_; }
    T operator*() && { return std::move(*value_); }
    T *operator->() && = delete;
    T *operator->() & noexcept { return &*value_; }
    const T *operator->() const & noexcept { return &*value_; }
    // Status OK and no message where there is a value.
    const Error &error() const & noexcept { return error_; }
    Error error() && { return std::move(error_); }
#if defined(__cpp_exceptions)
    T or_throw() &&
    {
        if (!value_)
            throw Exception(std::move(error_));
        return std::move(*value_);
    }
#endif

private:
    std::optional<T> value_;
    Error error_;
};

// A success, or an error.
template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    bool has_value() const noexcept { return error_.status == MMNAS_STATUS_OK; }
    explicit operator bool() const noexcept { return has_value(); }
    const Error &error() const & noexcept { return error_; }
    Error error() && { return std::move(error_); }
#if defined(__cpp_exceptions)
    void or_throw() &&
    {
        if (!has_value())
            throw Exception(std::move(error_));
    }
#endif

private:
    Error error_;
};

namespace detail {

// A handle that is freed with it.
template <class T, void (*Free)(T *)>
class Handle {
public:
    Handle() noexcept = default;
    explicit Handle(T *handle) noexcept : handle_(handle) {}
    T *get() const noexcept { return handle_.get(); }

private:
    struct Deleter {
        void operator()(T *handle) const noexcept { Free(handle); }
    };
    std::unique_ptr<T, Deleter> handle_;
};

// Goes through what a handle has; gives values and no references, so that C++17 calls it an input iterator.
template <class Raw, class Value, Value (*Read)(const Raw *, std::size_t)>
class Iterator {
public:
    using iterator_concept = std::random_access_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = Value;
    using difference_type = std::ptrdiff_t;
    using reference = Value;
    class pointer {
    public:
        explicit pointer(Value value) : value_(std::move(value)) {}
        const Value *operator->() const noexcept { return &value_; }

    private:
        Value value_;
    };

    Iterator() noexcept = default;
    Iterator(const Raw *handle, std::size_t place) noexcept
        : handle_(handle), place_(static_cast<difference_type>(place))
    {
    }

    Value operator*() const { return Read(handle_, static_cast<std::size_t>(place_)); }
    pointer operator->() const { return pointer(**this); }
    Value operator[](difference_type steps) const { return *(*this + steps); }

    Iterator &operator++() noexcept { return *this += 1; }
    Iterator &operator--() noexcept { return *this -= 1; }
    Iterator operator++(int) noexcept { return std::exchange(*this, *this + 1); }
    Iterator operator--(int) noexcept { return std::exchange(*this, *this - 1); }
    Iterator &operator+=(difference_type steps) noexcept
    {
        place_ += steps;
        return *this;
    }
    Iterator &operator-=(difference_type steps) noexcept
    {
        place_ -= steps;
        return *this;
    }
    friend Iterator operator+(Iterator at, difference_type steps) noexcept { return at += steps; }
    friend Iterator operator+(difference_type steps, Iterator at) noexcept { return at += steps; }
    friend Iterator operator-(Iterator at, difference_type steps) noexcept { return at -= steps; }
    friend difference_type operator-(const Iterator &a, const Iterator &b) noexcept { return a.place_ - b.place_; }

    friend bool operator==(const Iterator &a, const Iterator &b) noexcept { return a.place_ == b.place_; }
    friend bool operator!=(const Iterator &a, const Iterator &b) noexcept { return a.place_ != b.place_; }
    friend bool operator<(const Iterator &a, const Iterator &b) noexcept { return a.place_ < b.place_; }
    friend bool operator>(const Iterator &a, const Iterator &b) noexcept { return a.place_ > b.place_; }
    friend bool operator<=(const Iterator &a, const Iterator &b) noexcept { return a.place_ <= b.place_; }
    friend bool operator>=(const Iterator &a, const Iterator &b) noexcept { return a.place_ >= b.place_; }

private:
    const Raw *handle_ = nullptr;
    difference_type place_ = 0;
};

// Elements of an object that has more than one kind of them; as the iterators, it is of the object.
template <class It>
class Elements {
public:
    using value_type = typename It::value_type;
    using iterator = It;
    using const_iterator = It;

    Elements(It begin, It end) noexcept : begin_(begin), end_(end) {}

    It begin() const noexcept { return begin_; }
    It end() const noexcept { return end_; }
    std::size_t size() const noexcept { return static_cast<std::size_t>(end_ - begin_); }
    bool empty() const noexcept { return begin_ == end_; }
    value_type operator[](std::size_t index) const { return begin_[static_cast<std::ptrdiff_t>(index)]; }

private:
    It begin_;
    It end_;
};

inline Error take(mmnas_status status, mmnas_error *error)
{
    const Handle<mmnas_error, mmnas_error_free> owned(error);
    std::size_t length = 0;
    const char *message = mmnas_error_message(error, &length);
    return Error{status, std::string(message, length), mmnas_error_onnxruntime_code(error)};
}

// Calls `call(error_out)`.
template <class Call>
Result<void> done(Call &&call)
{
    mmnas_error *error = nullptr;
    const mmnas_status status = call(&error);
    if (status != MMNAS_STATUS_OK)
        return take(status, error);
    return {};
}

// Calls `call(handle_out, error_out)`, and makes an Object of the handle.
template <class Object, class Raw, class Call>
Result<Object> made(Call &&call)
{
    Raw *handle = nullptr;
    mmnas_error *error = nullptr;
    const mmnas_status status = call(&handle, &error);
    if (status != MMNAS_STATUS_OK)
        return take(status, error);
    return Object(handle);
}

// As made(), for `count` handles.
template <class Object, class Raw, class Call>
Result<std::vector<Object>> made_all(std::size_t count, Call &&call)
{
    // One more than there are, so that there is a place also for none.
    std::vector<Raw *> handles(count + 1, nullptr);
    std::vector<Object> objects;
    objects.reserve(count);
    mmnas_error *error = nullptr;
    const mmnas_status status = call(handles.data(), &error);
    if (status != MMNAS_STATUS_OK)
        return take(status, error);
    for (std::size_t i = 0; i < count; ++i)
        objects.emplace_back(handles[i]);
    return objects;
}

// As made_all(), for handles of which each may fail by itself: `call(handles_out, errors_out, error_out)`.
template <class Object, class Raw, class Call>
Result<std::vector<Result<Object>>> made_each(std::size_t count, Call &&call)
{
    // One more than there are, so that there is a place also for none.
    std::vector<Raw *> handles(count + 1, nullptr);
    std::vector<mmnas_error *> errors(count + 1, nullptr);
    std::vector<Result<Object>> objects;
    objects.reserve(count);
    mmnas_error *error = nullptr;
    const mmnas_status status = call(handles.data(), errors.data(), &error);
    if (status != MMNAS_STATUS_OK)
        return take(status, error);
    for (std::size_t i = 0; i < count; ++i) {
        if (errors[i])
            objects.emplace_back(take(mmnas_error_status(errors[i]), errors[i]));
        else
            objects.emplace_back(Object(handles[i]));
    }
    return objects;
}

// Beginnings and lengths of texts: of any container of what std::string_view can be made of.
struct Texts {
    template <class Container>
    explicit Texts(const Container &texts)
    {
        for (const auto &text : texts) {
            const std::string_view view(text);
            beginnings.push_back(view.data());
            lengths.push_back(view.size());
        }
    }

    std::vector<const char *> beginnings;
    std::vector<std::size_t> lengths;
};

// The same of paths: of any container of what a Path can be made of.
struct Paths {
    template <class Container>
    explicit Paths(const Container &paths)
    {
        for (const auto &path : paths) {
            const Path &kept = owned.emplace_back(path);
            beginnings.push_back(kept.data());
            lengths.push_back(kept.size());
        }
    }

    // It moves none of its elements.
    std::deque<Path> owned;
    std::vector<const char *> beginnings;
    std::vector<std::size_t> lengths;
};

// `width` numbers, which `call(numbers, error)` writes.
template <class Call>
Result<std::vector<float>> numbers(std::size_t width, Call &&call)
{
    std::vector<float> numbers(width);
    if (auto result = done([&](mmnas_error **error) { return call(numbers.data(), error); }); !result)
        return result.error();
    return numbers;
}

// What a getter lends: `get(&length)`.
template <class Get>
std::string_view lent(Get &&get) noexcept
{
    std::size_t length = 0;
    const char *text = get(&length);
    return text ? std::string_view(text, length) : std::string_view();
}

// A list of strings that `call` makes.
template <class Call>
Result<std::vector<std::string>> listed(Call &&call)
{
    mmnas_keys *raw = nullptr;
    if (auto result = done([&](mmnas_error **error) { return call(&raw, error); }); !result)
        return result.error();
    const Handle<mmnas_keys, mmnas_keys_free> owned(raw);
    std::vector<std::string> strings;
    for (std::size_t i = 0; i < mmnas_keys_count(raw); ++i) {
        std::size_t length = 0;
        const char *string = mmnas_keys_get(raw, i, &length);
        strings.emplace_back(string, length);
    }
    return strings;
}

// The handles of objects, or of pointers to objects.
template <class Raw, class Object>
std::vector<const Raw *> handles(Span<Object> objects)
{
    std::vector<const Raw *> raw;
    raw.reserve(objects.size());
    for (const Object &object : objects) {
        if constexpr (std::is_pointer_v<Object>)
            raw.push_back(object ? object->get() : nullptr);
        else
            raw.push_back(object.get());
    }
    return raw;
}

inline std::int64_t milliseconds(std::optional<std::chrono::milliseconds> time)
{
    return time ? static_cast<std::int64_t>(time->count()) : MMNAS_NO_DEADLINE;
}

inline Error moved_from(const char *name)
{
    return Error{MMNAS_STATUS_INVALID_ARGUMENT, std::string(name) + ": expected a live object, found one moved from", 0};
}

inline Error other_counts(std::size_t images, std::size_t texts)
{
    return Error{MMNAS_STATUS_INVALID_ARGUMENT,
                 "texts: expected as many as images, " + std::to_string(images) + ", found " + std::to_string(texts), 0};
}

} // namespace detail

// x1 y1 x2 y2 in pixels of the original image.
using Box = std::array<float, 4>;

// The library's version, such as "0.1.0".
inline std::string_view version() { return mmnas_version(); }

// The ONNX Runtime that the process runs; empty before a model was loaded.
inline std::string_view onnxruntime_path()
{
    return detail::lent(mmnas_onnxruntime_path);
}

// Its version; empty before a model was loaded.
inline std::string_view onnxruntime_version()
{
    return detail::lent(mmnas_onnxruntime_version);
}

// How a bundle is loaded.
class Options {
public:
    Options() : handle_(mmnas_options_new()) {}

    Result<void> set_onnxruntime_library(const Path &path)
    {
        return detail::done([&](mmnas_error **error) {
            return mmnas_options_set_onnxruntime_library(get(), path.data(), path.size(), error);
        });
    }
    Result<void> set_threads(std::size_t threads)
    {
        return detail::done([&](mmnas_error **error) { return mmnas_options_set_threads(get(), threads, error); });
    }
    Result<void> set_operators_at_once(std::size_t operators)
    {
        return detail::done(
            [&](mmnas_error **error) { return mmnas_options_set_operators_at_once(get(), operators, error); });
    }
    Result<void> set_spinning(bool spinning)
    {
        return detail::done([&](mmnas_error **error) { return mmnas_options_set_spinning(get(), spinning, error); });
    }
    Result<void> set_check_hashes(bool check)
    {
        return detail::done([&](mmnas_error **error) { return mmnas_options_set_check_hashes(get(), check, error); });
    }
    Result<void> set_variant(std::string_view variant)
    {
        return detail::done([&](mmnas_error **error) {
            return mmnas_options_set_variant(get(), variant.data(), variant.size(), error);
        });
    }
    Result<void> add_provider(std::int32_t provider)
    {
        return detail::done([&](mmnas_error **error) { return mmnas_options_add_provider(get(), provider, error); });
    }
    Result<void> set_device(std::int32_t device)
    {
        return detail::done([&](mmnas_error **error) { return mmnas_options_set_device(get(), device, error); });
    }
    Result<void> set_memory_limit(std::uint64_t bytes)
    {
        return detail::done([&](mmnas_error **error) { return mmnas_options_set_memory_limit(get(), bytes, error); });
    }
    Result<void> set_tensorrt(const Path &engine_cache, bool in_16_bits)
    {
        return detail::done([&](mmnas_error **error) {
            const char *cache = engine_cache.empty() ? nullptr : engine_cache.data();
            return mmnas_options_set_tensorrt(get(), cache, engine_cache.size(), in_16_bits, error);
        });
    }

    mmnas_options *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<mmnas_options, mmnas_options_free> handle_;
};

// A bundle's files in memory.
class Files {
public:
    Files() : handle_(mmnas_files_new()) {}

    Result<void> add(std::string_view name, Span<std::uint8_t> bytes)
    {
        return detail::done([&](mmnas_error **error) {
            return mmnas_files_add(get(), name.data(), name.size(), bytes.data(), bytes.size(), error);
        });
    }

    mmnas_files *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<mmnas_files, mmnas_files_free> handle_;
};

// Ends the calls that were made with it, from any thread.
class CancelToken {
public:
    CancelToken() : handle_(mmnas_cancel_token_new()) {}

    Result<void> cancel() const
    {
        return detail::done([&](mmnas_error **error) { return mmnas_cancel_token_cancel(get(), error); });
    }
    bool is_cancelled() const noexcept { return mmnas_cancel_token_is_cancelled(get()); }

    mmnas_cancel_token *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<mmnas_cancel_token, mmnas_cancel_token_free> handle_;
};

// An answer; the label lives as long as the Answers that it comes from.
struct Answer {
    std::string_view label;
    float probability = 0;
    float logit = 0;
    // In the bundle's labels.
    std::size_t place = 0;
};

namespace detail {

inline Answer answer_at(const mmnas_answers *answers, std::size_t index)
{
    const char *label = nullptr;
    std::size_t length = 0;
    Answer answer;
    if (mmnas_answers_get(answers, index, &label, &length, &answer.probability, nullptr) == MMNAS_STATUS_OK)
        answer.label = std::string_view(label, length);
    (void)mmnas_answers_get_logit(answers, index, &answer.logit, &answer.place, nullptr);
    return answer;
}

} // namespace detail

// Answers, the most probable first.
class Answers {
public:
    using value_type = Answer;
    using iterator = detail::Iterator<mmnas_answers, Answer, detail::answer_at>;
    using const_iterator = iterator;

    explicit Answers(mmnas_answers *handle) noexcept : handle_(handle) {}

    std::size_t size() const noexcept { return mmnas_answers_count(get()); }
    bool empty() const noexcept { return size() == 0; }
    // Empty where there is no such answer.
    Answer operator[](std::size_t index) && = delete;
    Answer operator[](std::size_t index) const & noexcept { return detail::answer_at(get(), index); }
    iterator begin() && = delete;
    iterator begin() const & noexcept { return iterator(get(), 0); }
    iterator end() && = delete;
    iterator end() const & noexcept { return iterator(get(), size()); }

    mmnas_answers *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<mmnas_answers, mmnas_answers_free> handle_;
};

// A part of an image.
struct Grounding {
    Box box{};
    float probability = 0;
    float score = 0;
    std::size_t region = 0;
};

namespace detail {

inline Grounding grounding_at(const mmnas_groundings *groundings, std::size_t index)
{
    Grounding found;
    (void)mmnas_groundings_get(groundings, index, found.box.data(), &found.probability, &found.score, &found.region,
                               nullptr);
    return found;
}

} // namespace detail

// Parts of an image that a phrase may mean, the most probable first.
class Groundings {
public:
    using value_type = Grounding;
    using iterator = detail::Iterator<mmnas_groundings, Grounding, detail::grounding_at>;
    using const_iterator = iterator;

    explicit Groundings(mmnas_groundings *handle) noexcept : handle_(handle) {}

    std::size_t size() const noexcept { return mmnas_groundings_count(get()); }
    bool empty() const noexcept { return size() == 0; }
    // Zeros where there is no such part.
    Grounding operator[](std::size_t index) const noexcept { return detail::grounding_at(get(), index); }
    iterator begin() && = delete;
    iterator begin() const & noexcept { return iterator(get(), 0); }
    iterator end() && = delete;
    iterator end() const & noexcept { return iterator(get(), size()); }
    Result<void> draw(const Path &image, const Path &out) const
    {
        return detail::done([&](mmnas_error **error) {
            return mmnas_groundings_draw(get(), image.data(), image.size(), out.data(), out.size(), error);
        });
    }

    mmnas_groundings *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<mmnas_groundings, mmnas_groundings_free> handle_;
};

// How well an image and a text belong together.
struct Match {
    float probability = 0;
    float logit = 0;
};

// An image or a text that was found; the key lives as long as the Ranking that it comes from.
struct Ranked {
    std::size_t place = 0;
    std::string_view key;
    float probability = 0;
    float logit = 0;
};

namespace detail {

inline Ranked ranked_at(const mmnas_ranking *ranking, std::size_t index)
{
    const char *key = nullptr;
    std::size_t length = 0;
    Ranked found;
    if (mmnas_ranking_get(ranking, index, &found.place, &key, &length, &found.probability, &found.logit, nullptr)
        == MMNAS_STATUS_OK)
        found.key = std::string_view(key, length);
    return found;
}

} // namespace detail

// Images or texts, the best first.
class Ranking {
public:
    using value_type = Ranked;
    using iterator = detail::Iterator<mmnas_ranking, Ranked, detail::ranked_at>;
    using const_iterator = iterator;

    explicit Ranking(mmnas_ranking *handle) noexcept : handle_(handle) {}

    std::size_t size() const noexcept { return mmnas_ranking_count(get()); }
    bool empty() const noexcept { return size() == 0; }
    // Empty where there is no such place.
    Ranked operator[](std::size_t index) && = delete;
    Ranked operator[](std::size_t index) const & noexcept { return detail::ranked_at(get(), index); }
    iterator begin() && = delete;
    iterator begin() const & noexcept { return iterator(get(), 0); }
    iterator end() && = delete;
    iterator end() const & noexcept { return iterator(get(), size()); }
    Result<void> draw(const Path &folder, std::string_view title, const Path &out) const
    {
        return detail::done([&](mmnas_error **error) {
            return mmnas_ranking_draw(get(), folder.data(), folder.size(), title.data(), title.size(), out.data(),
                                      out.size(), error);
        });
    }

    mmnas_ranking *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<mmnas_ranking, mmnas_ranking_free> handle_;
};

// A word with its weight; it lives as long as the Explanation that it comes from.
struct WordWeight {
    std::string_view word;
    float weight = 0;
};

// A region with its weight.
struct RegionWeight {
    Box box{};
    float weight = 0;
};

namespace detail {

inline WordWeight word_at(const mmnas_explanation *explanation, std::size_t index)
{
    const char *text = nullptr;
    std::size_t length = 0;
    WordWeight word;
    if (mmnas_explanation_word(explanation, index, &text, &length, &word.weight, nullptr) == MMNAS_STATUS_OK)
        word.word = std::string_view(text, length);
    return word;
}

inline RegionWeight region_at(const mmnas_explanation *explanation, std::size_t index)
{
    RegionWeight region;
    (void)mmnas_explanation_region(explanation, index, region.box.data(), &region.weight, nullptr);
    return region;
}

} // namespace detail

// How much each word and each region counted.
class Explanation {
public:
    using WordWeights = detail::Elements<detail::Iterator<mmnas_explanation, WordWeight, detail::word_at>>;
    using RegionWeights = detail::Elements<detail::Iterator<mmnas_explanation, RegionWeight, detail::region_at>>;

    explicit Explanation(mmnas_explanation *handle) noexcept : handle_(handle) {}

    std::size_t words() const noexcept { return mmnas_explanation_word_count(get()); }
    // Empty where there is no such word.
    WordWeight word(std::size_t index) && = delete;
    WordWeight word(std::size_t index) const & noexcept { return detail::word_at(get(), index); }
    // All words, to go through.
    WordWeights word_weights() && = delete;
    WordWeights word_weights() const & noexcept { return WordWeights({get(), 0}, {get(), words()}); }
    std::size_t regions() const noexcept { return mmnas_explanation_region_count(get()); }
    // Zeros where there is no such region.
    RegionWeight region(std::size_t index) const noexcept { return detail::region_at(get(), index); }
    // All regions, to go through.
    RegionWeights region_weights() && = delete;
    RegionWeights region_weights() const & noexcept { return RegionWeights({get(), 0}, {get(), regions()}); }
    Result<void> draw(const Path &image, std::string_view title, const Path &out) const
    {
        return detail::done([&](mmnas_error **error) {
            return mmnas_explanation_draw(get(), image.data(), image.size(), title.data(), title.size(), out.data(),
                                          out.size(), error);
        });
    }

    mmnas_explanation *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<mmnas_explanation, mmnas_explanation_free> handle_;
};

class Image;
class Text;

// A loaded bundle. Any number of threads use it at once.
class Model {
public:
    explicit Model(mmnas_model *handle) noexcept : handle_(handle) {}

    static Result<Model> load(const Path &path, const Options *options = nullptr)
    {
        if (options && !options->get())
            return detail::moved_from("options");
        return detail::made<Model, mmnas_model>([&](mmnas_model **model, mmnas_error **error) {
            return mmnas_model_load(path.data(), path.size(), options ? options->get() : nullptr, model, error);
        });
    }
    static Result<Model> load(const Files &files, const Options *options = nullptr)
    {
        if (options && !options->get())
            return detail::moved_from("options");
        return detail::made<Model, mmnas_model>([&](mmnas_model **model, mmnas_error **error) {
            return mmnas_model_load_files(files.get(), options ? options->get() : nullptr, model, error);
        });
    }

    // Calls with the result end when `token` is cancelled, or after `time`: at once where it is 0 or less.
    Result<Model> limited(const CancelToken *token, std::optional<std::chrono::milliseconds> time = std::nullopt) const
    {
        if (token && !token->get())
            return detail::moved_from("token");
        return detail::made<Model, mmnas_model>([&](mmnas_model **model, mmnas_error **error) {
            return mmnas_model_limited_to(get(), token ? token->get() : nullptr, detail::milliseconds(time), model, error);
        });
    }
    Result<void> warm_up() const
    {
        return detail::done([&](mmnas_error **error) { return mmnas_model_warm_up(get(), error); });
    }

    mmnas_task task() const noexcept { return mmnas_model_task(get()); }
    mmnas_provider provider() const noexcept { return mmnas_model_provider(get()); }
    std::string_view variant() && = delete;
    std::string_view variant() const & noexcept { return mmnas_model_variant(get(), nullptr); }
    std::size_t feature_width() const noexcept { return mmnas_model_feature_width(get()); }
    std::size_t max_tokens() const noexcept { return mmnas_model_max_tokens(get()); }
    bool takes_pictures() const noexcept { return mmnas_model_takes_pictures(get()); }

    // What the bundle says of itself. Views live as long as the model.
    std::string_view folder() && = delete;
    std::string_view folder() const & noexcept
    {
        return detail::lent([&](std::size_t *length) { return mmnas_model_folder(get(), length); });
    }
    std::string_view identity() && = delete;
    std::string_view identity() const & noexcept
    {
        return detail::lent([&](std::size_t *length) { return mmnas_model_identity(get(), length); });
    }
    // Empty where the model takes no pictures.
    std::string_view vision_identity() && = delete;
    std::string_view vision_identity() const & noexcept
    {
        return detail::lent([&](std::size_t *length) { return mmnas_model_vision_identity(get(), length); });
    }
    std::string_view architecture() && = delete;
    std::string_view architecture() const & noexcept
    {
        return detail::lent([&](std::size_t *length) { return mmnas_model_architecture(get(), length); });
    }
    std::size_t variants() const noexcept { return mmnas_model_variant_count(get()); }
    // Empty where there is no such variant.
    std::string_view variant_at(std::size_t index) && = delete;
    std::string_view variant_at(std::size_t index) const & noexcept
    {
        return detail::lent([&](std::size_t *length) { return mmnas_model_variant_at(get(), index, length); });
    }
    std::size_t labels() const noexcept { return mmnas_model_label_count(get()); }
    // Empty where there is no such label.
    std::string_view label_at(std::size_t index) && = delete;
    std::string_view label_at(std::size_t index) const & noexcept
    {
        return detail::lent([&](std::size_t *length) { return mmnas_model_label_at(get(), index, length); });
    }
    std::size_t embedding_width() const noexcept { return mmnas_model_embedding_width(get()); }
    std::size_t hidden_width() const noexcept { return mmnas_model_hidden_width(get()); }
    std::size_t vocabulary_size() const noexcept { return mmnas_model_vocabulary_size(get()); }
    std::size_t max_regions() const noexcept { return mmnas_model_max_regions(get()); }

    // embedding_width() numbers.
    Result<std::vector<float>> embedding(const Image &image) const;
    Result<std::vector<float>> embedding(const Text &text) const;

    Result<Answers> answer(const Image &image, std::string_view question, std::size_t top_k) const;
    Result<Groundings> ground(const Image &image, std::string_view phrase, std::size_t top_k) const;
    Result<Explanation> explain(const Image &image, std::string_view text) const;

    // Pairs, as many images as texts. `I` and `T` are Image and Text, or pointers to them.
    template <class I, class T>
    Result<std::vector<Answers>> answer_batch(const std::vector<I> &images, const std::vector<T> &questions,
                                              std::size_t top_k) const;
    template <class I, class T>
    Result<std::vector<Groundings>> ground_batch(const std::vector<I> &images, const std::vector<T> &phrases,
                                                 std::size_t top_k) const;
    template <class I, class T>
    Result<std::vector<Match>> match(const std::vector<I> &images, const std::vector<T> &texts) const;

    template <class I>
    Result<Ranking> rank_images(const Text &text, const std::vector<I> &images, std::size_t top_k) const;
    template <class T>
    Result<Ranking> rank_texts(const Image &image, const std::vector<T> &texts, std::size_t top_k) const;

    mmnas_model *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<mmnas_model, mmnas_model_free> handle_;
};

namespace detail {

inline Box box_at(const mmnas_image *image, std::size_t index)
{
    Box box{};
    (void)mmnas_image_region_box(image, index, box.data(), nullptr);
    return box;
}

} // namespace detail

// Pixels of a picture in memory: rows from the top.
struct Picture {
    Span<std::uint8_t> pixels;
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::size_t stride = 0;
    std::int32_t format = MMNAS_PIXEL_FORMAT_RGB;
};

// An image as a model sees it.
class Image {
public:
    using Boxes = detail::Elements<detail::Iterator<mmnas_image, Box, detail::box_at>>;

    explicit Image(mmnas_image *handle) noexcept : handle_(handle) {}

    static Result<Image> from_file(const Model &model, const Path &path)
    {
        return detail::made<Image, mmnas_image>([&](mmnas_image **image, mmnas_error **error) {
            return mmnas_image_from_file(model.get(), path.data(), path.size(), image, error);
        });
    }
    // The content of an image file.
    static Result<Image> from_bytes(const Model &model, Span<std::uint8_t> bytes)
    {
        return detail::made<Image, mmnas_image>([&](mmnas_image **image, mmnas_error **error) {
            return mmnas_image_from_bytes(model.get(), bytes.data(), bytes.size(), image, error);
        });
    }
    static Result<Image> from_pixels(const Model &model, Span<std::uint8_t> pixels, std::uint32_t width,
                                     std::uint32_t height, std::size_t stride, std::int32_t format)
    {
        return detail::made<Image, mmnas_image>([&](mmnas_image **image, mmnas_error **error) {
            return mmnas_image_from_pixels(model.get(), pixels.data(), pixels.size(), width, height, stride, format,
                                           image, error);
        });
    }
    // Features region by region, and four numbers of boxes for each.
    static Result<Image> from_regions(const Model &model, Span<float> features, Span<float> boxes, std::uint32_t width,
                                      std::uint32_t height)
    {
        return detail::made<Image, mmnas_image>([&](mmnas_image **image, mmnas_error **error) {
            return mmnas_image_from_regions(model.get(), features.data(), features.size(), boxes.data(), boxes.size(),
                                            width, height, image, error);
        });
    }

    // Many at once, each an image or its own error. Paths are any container of what a Path can be made of.
    template <class Paths>
    static Result<std::vector<Result<Image>>> from_file_batch(const Model &model, const Paths &paths)
    {
        const detail::Paths kept(paths);
        const std::size_t count = kept.lengths.size();
        return detail::made_each<Image, mmnas_image>(
            count, [&](mmnas_image **images, mmnas_error **errors, mmnas_error **error) {
                return mmnas_image_from_file_batch(model.get(), kept.beginnings.data(), kept.lengths.data(), count,
                                                   images, errors, error);
            });
    }
    static Result<std::vector<Result<Image>>> from_bytes_batch(const Model &model,
                                                               const std::vector<Span<std::uint8_t>> &bytes)
    {
        std::vector<const std::uint8_t *> beginnings;
        std::vector<std::size_t> lengths;
        for (const auto &content : bytes) {
            beginnings.push_back(content.data());
            lengths.push_back(content.size());
        }
        return detail::made_each<Image, mmnas_image>(
            bytes.size(), [&](mmnas_image **images, mmnas_error **errors, mmnas_error **error) {
                return mmnas_image_from_bytes_batch(model.get(), beginnings.data(), lengths.data(), bytes.size(),
                                                    images, errors, error);
            });
    }
    static Result<std::vector<Result<Image>>> from_pixels_batch(const Model &model,
                                                                const std::vector<Picture> &pictures)
    {
        std::vector<const std::uint8_t *> pixels;
        std::vector<std::size_t> lengths, strides;
        std::vector<std::uint32_t> widths, heights;
        std::vector<std::int32_t> formats;
        for (const Picture &picture : pictures) {
            pixels.push_back(picture.pixels.data());
            lengths.push_back(picture.pixels.size());
            widths.push_back(picture.width);
            heights.push_back(picture.height);
            strides.push_back(picture.stride);
            formats.push_back(picture.format);
        }
        return detail::made_each<Image, mmnas_image>(
            pictures.size(), [&](mmnas_image **images, mmnas_error **errors, mmnas_error **error) {
                return mmnas_image_from_pixels_batch(model.get(), pixels.data(), lengths.data(), widths.data(),
                                                     heights.data(), strides.data(), formats.data(), pictures.size(),
                                                     images, errors, error);
            });
    }

    // Width and height of the original image; 0 where they are not known.
    std::pair<std::uint32_t, std::uint32_t> size() const noexcept
    {
        std::pair<std::uint32_t, std::uint32_t> size{0, 0};
        mmnas_image_size(get(), &size.first, &size.second);
        return size;
    }
    std::size_t regions() const noexcept { return mmnas_image_region_count(get()); }
    // Zeros where there is no such region.
    Box region(std::size_t index) const noexcept { return detail::box_at(get(), index); }
    // The boxes of all regions, to go through.
    Boxes boxes() && = delete;
    Boxes boxes() const & noexcept { return Boxes({get(), 0}, {get(), regions()}); }

    mmnas_image *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<mmnas_image, mmnas_image_free> handle_;
};

// A text as a model reads it.
class Text {
public:
    explicit Text(mmnas_text *handle) noexcept : handle_(handle) {}

    static Result<Text> encode(const Model &model, std::string_view text)
    {
        return detail::made<Text, mmnas_text>([&](mmnas_text **out, mmnas_error **error) {
            return mmnas_text_encode(model.get(), text.data(), text.size(), out, error);
        });
    }
    // Any container of what std::string_view can be made of, such as a std::vector<std::string>.
    template <class Texts>
    static Result<std::vector<Text>> encode_batch(const Model &model, const Texts &texts)
    {
        const detail::Texts raw(texts);
        const std::size_t count = raw.lengths.size();
        return detail::made_all<Text, mmnas_text>(count, [&](mmnas_text **out, mmnas_error **error) {
            return mmnas_text_encode_batch(model.get(), raw.beginnings.data(), raw.lengths.data(), count, out, error);
        });
    }

    std::size_t tokens() const noexcept { return mmnas_text_tokens(get()); }

    // The words of `text` that the model does not know: it reads each of them as one and the same unknown word.
    static Result<std::vector<std::string>> unknown_words(const Model &model, std::string_view text)
    {
        return detail::listed([&](mmnas_keys **words, mmnas_error **error) {
            return mmnas_text_unknown_words(model.get(), text.data(), text.size(), words, error);
        });
    }

    mmnas_text *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<mmnas_text, mmnas_text_free> handle_;
};

// The regions of a picture with their features: looked at once for several models, or to be stored.
class Regions {
public:
    explicit Regions(mmnas_regions *handle) noexcept : handle_(handle) {}

    static Result<Regions> from_file(const Model &model, const Path &path)
    {
        return detail::made<Regions, mmnas_regions>([&](mmnas_regions **regions, mmnas_error **error) {
            return mmnas_regions_from_file(model.get(), path.data(), path.size(), regions, error);
        });
    }
    // The content of an image file.
    static Result<Regions> from_bytes(const Model &model, Span<std::uint8_t> bytes)
    {
        return detail::made<Regions, mmnas_regions>([&](mmnas_regions **regions, mmnas_error **error) {
            return mmnas_regions_from_bytes(model.get(), bytes.data(), bytes.size(), regions, error);
        });
    }
    static Result<Regions> from_pixels(const Model &model, const Picture &picture)
    {
        return detail::made<Regions, mmnas_regions>([&](mmnas_regions **regions, mmnas_error **error) {
            return mmnas_regions_from_pixels(model.get(), picture.pixels.data(), picture.pixels.size(), picture.width,
                                             picture.height, picture.stride, picture.format, regions, error);
        });
    }
    // Many at once, each regions or its own error. Paths are any container of what a Path can be made of.
    template <class Paths>
    static Result<std::vector<Result<Regions>>> from_file_batch(const Model &model, const Paths &paths)
    {
        const detail::Paths kept(paths);
        const std::size_t count = kept.lengths.size();
        return detail::made_each<Regions, mmnas_regions>(
            count, [&](mmnas_regions **regions, mmnas_error **errors, mmnas_error **error) {
                return mmnas_regions_from_file_batch(model.get(), kept.beginnings.data(), kept.lengths.data(), count,
                                                     regions, errors, error);
            });
    }

    // The image for a model whose vision stage is that of the one that found the regions.
    Result<Image> encode(const Model &model) const
    {
        return detail::made<Image, mmnas_image>([&](mmnas_image **image, mmnas_error **error) {
            return mmnas_regions_encode(model.get(), get(), image, error);
        });
    }
    // As encode() for many: Regions, or pointers to them.
    template <class R>
    static Result<std::vector<Result<Image>>> encode_batch(const Model &model, const std::vector<R> &regions)
    {
        const auto raw = detail::handles<mmnas_regions>(Span<R>(regions));
        return detail::made_each<Image, mmnas_image>(
            raw.size(), [&](mmnas_image **images, mmnas_error **errors, mmnas_error **error) {
                return mmnas_regions_encode_batch(model.get(), raw.data(), raw.size(), images, errors, error);
            });
    }

    std::size_t count() const noexcept { return mmnas_regions_count(get()); }
    // Width and height of the original image; 0 where they are not known.
    std::pair<std::uint32_t, std::uint32_t> size() const noexcept
    {
        std::pair<std::uint32_t, std::uint32_t> size{0, 0};
        mmnas_regions_size(get(), &size.first, &size.second);
        return size;
    }
    // Region by region; they live as long as the regions.
    Span<float> features() && = delete;
    Span<float> features() const & noexcept
    {
        std::size_t length = 0;
        const float *numbers = mmnas_regions_features(get(), &length);
        return Span<float>(numbers, length);
    }
    // Four numbers a region.
    Span<float> boxes() && = delete;
    Span<float> boxes() const & noexcept
    {
        std::size_t length = 0;
        const float *numbers = mmnas_regions_boxes(get(), &length);
        return Span<float>(numbers, length);
    }

    mmnas_regions *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<mmnas_regions, mmnas_regions_free> handle_;
};

inline Result<std::vector<float>> Model::embedding(const Image &image) const
{
    const std::size_t width = embedding_width();
    return detail::numbers(width, [&](float *numbers, mmnas_error **error) {
        return mmnas_image_embedding(get(), image.get(), numbers, width, error);
    });
}

inline Result<std::vector<float>> Model::embedding(const Text &text) const
{
    const std::size_t width = embedding_width();
    return detail::numbers(width, [&](float *numbers, mmnas_error **error) {
        return mmnas_text_embedding(get(), text.get(), numbers, width, error);
    });
}

// How calls are gathered into batches.
struct BatchSettings {
    std::size_t max_batch = 16;
    std::chrono::microseconds max_wait{5000};
    std::size_t queue = 256;
};

// What a Batcher has done so far.
struct BatchCounts {
    std::uint64_t answered = 0;
    std::uint64_t refused = 0;
    std::uint64_t abandoned = 0;
    std::uint64_t batches = 0;
};

// Gathers what many threads ask of a model at a time into batches. Calls take the model again: its limits end them.
class Batcher {
public:
    explicit Batcher(mmnas_batcher *handle) noexcept : handle_(handle) {}

    static Result<Batcher> create(const Model &model, const BatchSettings &settings = BatchSettings())
    {
        const auto wait = settings.max_wait.count() > 0 ? static_cast<std::uint64_t>(settings.max_wait.count()) : 0;
        return detail::made<Batcher, mmnas_batcher>([&](mmnas_batcher **batcher, mmnas_error **error) {
            return mmnas_batcher_create(model.get(), settings.max_batch, wait, settings.queue, batcher, error);
        });
    }

    Result<Answers> answer(const Model &model, const Image &image, std::string_view question, std::size_t top_k) const
    {
        return detail::made<Answers, mmnas_answers>([&](mmnas_answers **answers, mmnas_error **error) {
            return mmnas_batcher_answer(get(), model.get(), image.get(), question.data(), question.size(), top_k,
                                        answers, error);
        });
    }
    Result<Groundings> ground(const Model &model, const Image &image, std::string_view phrase, std::size_t top_k) const
    {
        return detail::made<Groundings, mmnas_groundings>([&](mmnas_groundings **groundings, mmnas_error **error) {
            return mmnas_batcher_ground(get(), model.get(), image.get(), phrase.data(), phrase.size(), top_k,
                                        groundings, error);
        });
    }
    Result<Match> match(const Model &model, const Image &image, std::string_view text) const
    {
        Match match;
        auto call = [&](mmnas_error **error) {
            return mmnas_batcher_match(get(), model.get(), image.get(), text.data(), text.size(), &match.probability,
                                       &match.logit, error);
        };
        if (auto result = detail::done(call); !result)
            return result.error();
        return match;
    }
    BatchCounts counts() const noexcept
    {
        BatchCounts counts;
        mmnas_batcher_counts(get(), &counts.answered, &counts.refused, &counts.abandoned, &counts.batches);
        return counts;
    }
    Result<void> close() const
    {
        return detail::done([&](mmnas_error **error) { return mmnas_batcher_close(get(), error); });
    }

    mmnas_batcher *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<mmnas_batcher, mmnas_batcher_free> handle_;
};

inline Result<Answers> Model::answer(const Image &image, std::string_view question, std::size_t top_k) const
{
    return detail::made<Answers, mmnas_answers>([&](mmnas_answers **answers, mmnas_error **error) {
        return mmnas_vqa_answer(get(), image.get(), question.data(), question.size(), top_k, answers, error);
    });
}

inline Result<Groundings> Model::ground(const Image &image, std::string_view phrase, std::size_t top_k) const
{
    return detail::made<Groundings, mmnas_groundings>([&](mmnas_groundings **groundings, mmnas_error **error) {
        return mmnas_vgd_ground(get(), image.get(), phrase.data(), phrase.size(), top_k, groundings, error);
    });
}

inline Result<Explanation> Model::explain(const Image &image, std::string_view text) const
{
    return detail::made<Explanation, mmnas_explanation>([&](mmnas_explanation **explanation, mmnas_error **error) {
        return mmnas_explain(get(), image.get(), text.data(), text.size(), explanation, error);
    });
}

template <class I, class T>
Result<std::vector<Answers>> Model::answer_batch(const std::vector<I> &images, const std::vector<T> &questions,
                                                 std::size_t top_k) const
{
    if (images.size() != questions.size())
        return detail::other_counts(images.size(), questions.size());
    const auto pictures = detail::handles<mmnas_image>(Span<I>(images));
    const auto texts = detail::handles<mmnas_text>(Span<T>(questions));
    return detail::made_all<Answers, mmnas_answers>(
        pictures.size(), [&](mmnas_answers **answers, mmnas_error **error) {
            return mmnas_vqa_answer_batch(get(), pictures.data(), texts.data(), pictures.size(), top_k, answers, error);
        });
}

template <class I, class T>
Result<std::vector<Groundings>> Model::ground_batch(const std::vector<I> &images, const std::vector<T> &phrases,
                                                    std::size_t top_k) const
{
    if (images.size() != phrases.size())
        return detail::other_counts(images.size(), phrases.size());
    const auto pictures = detail::handles<mmnas_image>(Span<I>(images));
    const auto texts = detail::handles<mmnas_text>(Span<T>(phrases));
    return detail::made_all<Groundings, mmnas_groundings>(
        pictures.size(), [&](mmnas_groundings **groundings, mmnas_error **error) {
            return mmnas_vgd_ground_batch(get(), pictures.data(), texts.data(), pictures.size(), top_k, groundings,
                                          error);
        });
}

template <class I, class T>
Result<std::vector<Match>> Model::match(const std::vector<I> &images, const std::vector<T> &texts) const
{
    if (images.size() != texts.size())
        return detail::other_counts(images.size(), texts.size());
    const auto pictures = detail::handles<mmnas_image>(Span<I>(images));
    const auto captions = detail::handles<mmnas_text>(Span<T>(texts));
    std::vector<float> probabilities(pictures.size());
    std::vector<float> logits(pictures.size());
    auto call = [&](mmnas_error **error) {
        return mmnas_itm_match(get(), pictures.data(), captions.data(), pictures.size(), probabilities.data(),
                               logits.data(), error);
    };
    if (auto result = detail::done(call); !result)
        return result.error();
    std::vector<Match> matches(pictures.size());
    for (std::size_t i = 0; i < matches.size(); ++i)
        matches[i] = Match{probabilities[i], logits[i]};
    return matches;
}

template <class I>
Result<Ranking> Model::rank_images(const Text &text, const std::vector<I> &images, std::size_t top_k) const
{
    const auto pictures = detail::handles<mmnas_image>(Span<I>(images));
    return detail::made<Ranking, mmnas_ranking>([&](mmnas_ranking **ranking, mmnas_error **error) {
        return mmnas_itm_rank_images(get(), text.get(), pictures.data(), pictures.size(), top_k, ranking, error);
    });
}

template <class T>
Result<Ranking> Model::rank_texts(const Image &image, const std::vector<T> &texts, std::size_t top_k) const
{
    const auto captions = detail::handles<mmnas_text>(Span<T>(texts));
    return detail::made<Ranking, mmnas_ranking>([&](mmnas_ranking **ranking, mmnas_error **error) {
        return mmnas_itm_rank_texts(get(), image.get(), captions.data(), captions.size(), top_k, ranking, error);
    });
}

// Images or texts on disk, to be searched.
class Index {
public:
    explicit Index(mmnas_index *handle) noexcept : handle_(handle) {}

    static Result<Index> create(const Model &model, const Path &path, mmnas_index_kind kind)
    {
        return detail::made<Index, mmnas_index>([&](mmnas_index **index, mmnas_error **error) {
            return mmnas_index_create(model.get(), path.data(), path.size(), kind, index, error);
        });
    }
    static Result<Index> open(const Model &model, const Path &path, mmnas_index_kind kind, bool writable)
    {
        return detail::made<Index, mmnas_index>([&](mmnas_index **index, mmnas_error **error) {
            return mmnas_index_open(model.get(), path.data(), path.size(), kind, writable, index, error);
        });
    }

    // The same index, whose searches end when `token` is cancelled, or after `time`: at once where it is 0 or less.
    Result<Index> limited(const CancelToken *token, std::optional<std::chrono::milliseconds> time = std::nullopt) const
    {
        if (token && !token->get())
            return detail::moved_from("token");
        return detail::made<Index, mmnas_index>([&](mmnas_index **index, mmnas_error **error) {
            return mmnas_index_limited_to(get(), token ? token->get() : nullptr, detail::milliseconds(time), index, error);
        });
    }

    Result<void> put(std::string_view key, const Image &image)
    {
        return detail::done([&](mmnas_error **error) {
            return mmnas_index_put_image(get(), key.data(), key.size(), image.get(), error);
        });
    }
    Result<void> put(std::string_view key, const Text &text)
    {
        return detail::done([&](mmnas_error **error) {
            return mmnas_index_put_text(get(), key.data(), key.size(), text.get(), error);
        });
    }
    Result<void> erase(std::string_view key)
    {
        return detail::done(
            [&](mmnas_error **error) { return mmnas_index_delete(get(), key.data(), key.size(), error); });
    }
    Result<void> commit()
    {
        return detail::done([&](mmnas_error **error) { return mmnas_index_commit(get(), error); });
    }
    Result<void> compact()
    {
        return detail::done([&](mmnas_error **error) { return mmnas_index_compact(get(), error); });
    }

    std::size_t size() const noexcept { return mmnas_index_count(get()); }
    bool contains(std::string_view key) const noexcept { return mmnas_index_contains(get(), key.data(), key.size()); }
    std::size_t embedding_width() const noexcept { return mmnas_index_embedding_width(get()); }
    // Bytes of all states, and those of them that were deleted or replaced.
    std::pair<std::uint64_t, std::uint64_t> bytes() const noexcept
    {
        std::pair<std::uint64_t, std::uint64_t> bytes{0, 0};
        mmnas_index_bytes(get(), &bytes.first, &bytes.second);
        return bytes;
    }
    Result<std::vector<std::string>> keys() const
    {
        return detail::listed([&](mmnas_keys **keys, mmnas_error **error) {
            return mmnas_index_keys(get(), keys, error);
        });
    }

    // `shortlist` 0 scores everything.
    Result<Ranking> find(const Text &text, std::size_t top_k, std::size_t shortlist = 0) const
    {
        return detail::made<Ranking, mmnas_ranking>([&](mmnas_ranking **ranking, mmnas_error **error) {
            return mmnas_index_find_images(get(), text.get(), top_k, shortlist, ranking, error);
        });
    }
    Result<Ranking> find(const Image &image, std::size_t top_k, std::size_t shortlist = 0) const
    {
        return detail::made<Ranking, mmnas_ranking>([&](mmnas_ranking **ranking, mmnas_error **error) {
            return mmnas_index_find_texts(get(), image.get(), top_k, shortlist, ranking, error);
        });
    }
    // As find() for many; texts or images, or pointers to them.
    template <class T>
    Result<std::vector<Ranking>> find_images(const std::vector<T> &texts, std::size_t top_k,
                                             std::size_t shortlist = 0) const
    {
        const auto raw = detail::handles<mmnas_text>(Span<T>(texts));
        return detail::made_all<Ranking, mmnas_ranking>(raw.size(), [&](mmnas_ranking **out, mmnas_error **error) {
            return mmnas_index_find_images_batch(get(), raw.data(), raw.size(), top_k, shortlist, out, error);
        });
    }
    template <class I>
    Result<std::vector<Ranking>> find_texts(const std::vector<I> &images, std::size_t top_k,
                                            std::size_t shortlist = 0) const
    {
        const auto raw = detail::handles<mmnas_image>(Span<I>(images));
        return detail::made_all<Ranking, mmnas_ranking>(raw.size(), [&](mmnas_ranking **out, mmnas_error **error) {
            return mmnas_index_find_texts_batch(get(), raw.data(), raw.size(), top_k, shortlist, out, error);
        });
    }
    // What the index in a folder holds.
    static Result<mmnas_index_kind> kind_of(const Path &path)
    {
        mmnas_index_kind kind = MMNAS_INDEX_KIND_IMAGES;
        auto call = [&](mmnas_error **error) { return mmnas_index_kind_of(path.data(), path.size(), &kind, error); };
        if (auto result = detail::done(call); !result)
            return result.error();
        return kind;
    }
    // embedding_width() numbers.
    Result<std::vector<float>> embedding(std::string_view key) const
    {
        const std::size_t width = embedding_width();
        return detail::numbers(width, [&](float *numbers, mmnas_error **error) {
            return mmnas_index_embedding(get(), key.data(), key.size(), numbers, width, error);
        });
    }
    // What has a key, to 16 bits; an error of status INVALID_ARGUMENT where nothing has.
    Result<Image> image(std::string_view key) const
    {
        return got(detail::made<Image, mmnas_image>([&](mmnas_image **image, mmnas_error **error) {
            return mmnas_index_get_image(get(), key.data(), key.size(), image, error);
        }));
    }
    Result<Text> text(std::string_view key) const
    {
        return got(detail::made<Text, mmnas_text>([&](mmnas_text **text, mmnas_error **error) {
            return mmnas_index_get_text(get(), key.data(), key.size(), text, error);
        }));
    }
    Result<void> export_embeddings(const Path &out, mmnas_embedding_format format) const
    {
        return detail::done([&](mmnas_error **error) {
            return mmnas_index_export(get(), out.data(), out.size(), format, error);
        });
    }

    mmnas_index *get() const noexcept { return handle_.get(); }

private:
    template <class Object>
    static Result<Object> got(Result<Object> found)
    {
        if (found && !found->get())
            return Error{MMNAS_STATUS_INVALID_ARGUMENT, "key: expected one that the index has, found another", 0};
        return found;
    }

    detail::Handle<mmnas_index, mmnas_index_free> handle_;
};

// A check of a bundle; the texts live as long as the Verification that it comes from.
struct Check {
    std::string_view stage;
    std::string_view variant;
    double difference = 0;
    double tolerance = 0;
    double milliseconds = 0;
    // Why the outputs cannot be compared; empty where they can.
    std::string_view problem;
};

namespace detail {

inline Check check_at(const mmnas_verification *verification, std::size_t index)
{
    const char *stage = nullptr;
    const char *variant = nullptr;
    Check check;
    if (mmnas_verification_get(verification, index, &stage, &variant, &check.difference, &check.tolerance,
                               &check.milliseconds, nullptr)
        == MMNAS_STATUS_OK) {
        check.stage = stage;
        check.variant = variant;
        check.problem = mmnas_verification_problem(verification, index, nullptr);
    }
    return check;
}

} // namespace detail

// A bundle's outputs beside those that were recorded.
class Verification {
public:
    using value_type = Check;
    using iterator = detail::Iterator<mmnas_verification, Check, detail::check_at>;
    using const_iterator = iterator;

    explicit Verification(mmnas_verification *handle) noexcept : handle_(handle) {}

    static Result<Verification> of(const Path &path, const Options *options = nullptr, bool timed = false)
    {
        if (options && !options->get())
            return detail::moved_from("options");
        return detail::made<Verification, mmnas_verification>([&](mmnas_verification **out, mmnas_error **error) {
            return mmnas_verify(path.data(), path.size(), options ? options->get() : nullptr, timed, out, error);
        });
    }

    bool passed() const noexcept { return mmnas_verification_passed(get()); }
    std::size_t size() const noexcept { return mmnas_verification_count(get()); }
    bool empty() const noexcept { return size() == 0; }
    // Empty where there is no such check.
    Check operator[](std::size_t index) && = delete;
    Check operator[](std::size_t index) const & noexcept { return detail::check_at(get(), index); }
    iterator begin() && = delete;
    iterator begin() const & noexcept { return iterator(get(), 0); }
    iterator end() && = delete;
    iterator end() const & noexcept { return iterator(get(), size()); }

    mmnas_verification *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<mmnas_verification, mmnas_verification_free> handle_;
};

// Told what the library has to say besides errors, for as long as it lives, beside any others.
class Log {
public:
    // Called from any thread, also from several at once and in the middle of any call. Calls of the library from it fail. What it
    // throws is dropped.
    using Listener = std::function<void(mmnas_log_level level, std::string_view message)>;

    // Messages that matter less than `level` are left out.
    static Result<Log> listen(mmnas_log_level level, Listener listener)
    {
        if (!listener)
            return Error{MMNAS_STATUS_INVALID_ARGUMENT, "listener: expected a function, found none", 0};
        auto told = std::make_unique<Told>();
        told->listener = std::move(listener);
        auto log = detail::made<Log, mmnas_log_listener>([&](mmnas_log_listener **out, mmnas_error **error) {
            return mmnas_log_listen(level, tell, told.get(), out, error);
        });
        if (log)
            log->told_ = std::move(told);
        return log;
    }

    explicit Log(mmnas_log_listener *handle) noexcept : handle_(handle) {}
    Log(Log &&) noexcept = default;
    Log &operator=(Log &&other) noexcept
    {
        if (this != &other) {
            end();
            handle_ = std::move(other.handle_);
            told_ = std::move(other.told_);
        }
        return *this;
    }
    ~Log() { end(); }

    mmnas_log_listener *get() const noexcept { return handle_.get(); }

private:
    using Handle = detail::Handle<mmnas_log_listener, mmnas_log_listener_free>;

    struct Told {
        Listener listener;
        // Set where a listener ended it, which the library does not take from one.
        std::atomic<bool> ended{false};
    };

    static void tell(void *user_data, std::int32_t level, const char *message, std::size_t length) noexcept
    {
        const Told &told = *static_cast<const Told *>(user_data);
        if (told.ended)
            return;
#if defined(__cpp_exceptions)
        try {
            told.listener(static_cast<mmnas_log_level>(level), std::string_view(message, length));
        } catch (...) {
        }
#else
        told.listener(static_cast<mmnas_log_level>(level), std::string_view(message, length));
#endif
    }

    void end() noexcept
    {
        // In any callback the library frees nothing and counts no handles, though this one lives.
        if (told_ && mmnas_handles_live() == 0) {
            // It goes on calling what it was given, which so has to stay.
            told_->ended = true;
            (void)told_.release();
        }
        handle_ = Handle();
        told_.reset();
    }

    std::unique_ptr<Told> told_;
    Handle handle_;
};

} // namespace mmnas

#endif // MMNAS_RUNTIME_HPP
