/* Output shapes of ops whose inputs may be shaped in several ways, and the whole message where they do not fit. */
#include "ops/helpers/shapes.h"

#include <criterion/criterion.h>

Test(shapes, matmul) {
    static const shapes accepted[] = {
        {"matmul", "", {{2, {3, 5}}, {2, {5, 4}}}, "3x4"},
        {"matmul", "trans_a=yes trans_b=yes", {{4, {2, 6, 5, 3}}, {4, {2, 6, 4, 5}}}, "2x6x3x4"},
        {"matmul", "", {{4, {2, 6, 3, 5}}, {2, {5, 4}}}, "2x6x3x4"},
        {"matmul", "trans_a=yes sum=yes", {{3, {6, 5, 3}}, {3, {6, 5, 4}}}, "3x4"},
    };
    static const shapes refused[] = {
        {"matmul", "", {{1, {5}}, {2, {5, 4}}}, "a has 1 dimensions and b 2, expected at least 2"},
        {"matmul", "trans_b=yes", {{2, {3, 5}}, {2, {5, 4}}}, "a (3x5) and b (5x4, transposed) do not fit"},
        {"matmul", "", {{3, {2, 3, 5}}, {3, {4, 5, 4}}}, "a (2x3x5) and b (4x5x4) do not fit"},
        {"matmul", "", {{2, {3, 5}}, {3, {2, 5, 4}}}, "a (3x5) and b (2x5x4) do not fit"},
        {"matmul", "trans_a=yes", {{3, {2, 5, 3}}, {2, {5, 4}}}, "one b for a batch of a is for trans_a=no"},
        {"matmul", "sum=yes", {{3, {2, 3, 5}}, {3, {2, 5, 4}}}, "sum=yes is for trans_a=yes and trans_b=no"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}

Test(shapes, attention) {
    static const shapes accepted[] = {
        {"attention", "heads=2", {{3, {3, 5, 8}}, {3, {3, 7, 8}}, {3, {3, 7, 8}}, {2, {3, 7}}}, "3x5x8 3x2x5"},
        {"attention", "heads=2", {{3, {3, 5, 8}}, {3, {3, 7, 8}}, {3, {3, 7, 8}}, {-1, {0}}}, "3x5x8 3x2x5"},
        {"self_attention", "heads=2", {{3, {3, 5, 24}}}, "3x5x8 3x2x5"},
        {"self_attention", "heads=4", {{3, {3, 5, 24}}, {2, {3, 5}}}, "3x5x8 3x4x5"},
    };
    static const shapes refused[] = {
        {"attention", "heads=2", {{2, {5, 8}}, {3, {3, 7, 8}}, {3, {3, 7, 8}}}, "q has 2 dimensions (5x8), expected 3"},
        {"attention",
         "heads=3",
         {{3, {3, 5, 8}}, {3, {3, 7, 8}}, {3, {3, 7, 8}}},
         "q has 8 features, no multiple of 3 heads"},
        {"attention", "heads=2", {{3, {3, 5, 8}}, {3, {4, 7, 8}}, {3, {4, 7, 8}}}, "k has shape 4x7x8, expected 3x7x8"},
        {"attention", "heads=2", {{3, {3, 5, 8}}, {3, {3, 7, 8}}, {3, {3, 6, 8}}}, "v has shape 3x6x8, expected 3x7x8"},
        {"attention",
         "heads=2",
         {{3, {3, 5, 8}}, {3, {3, 7, 8}}, {3, {3, 7, 8}}, {2, {3, 5}}},
         "mask has shape 3x5, expected 3x7"},
        {"self_attention", "heads=2", {{3, {3, 5, 8}}}, "qkv has 8 features, no multiple of 3 * 2 heads"},
        {"self_attention", "heads=2", {{3, {3, 5, 24}}, {1, {5}}}, "mask has shape 5, expected 3x5"},
        {"self_attention_backward",
         "heads=2",
         {{3, {3, 5, 8}}, {3, {3, 5, 8}}, {3, {3, 5, 2}}, {3, {3, 5, 24}}},
         "lse has shape 3x5x2, expected 3x2x5"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}

Test(shapes, log_mel) {
    static const shapes accepted[] = {
        {"log_mel", "", {{2, {3, 16000}}}, "3x63x64"},
        {"log_mel", "hop_length=160 mels=80", {{4, {3, 16000, 1, 1}}}, "3x101x80"},
        {"log_mel", "center=no win_length=400", {{2, {3, 512}}}, "3x1x64"},
    };
    static const shapes refused[] = {
        {"log_mel", "", {{1, {16000}}}, "x has 1 dimensions, expected at least 2"},
        {"log_mel",
         "",
         {{3, {3, 2, 16000}}},
         "x (3x2x16000) is no batch of waveforms: two dimensions behind the first exceed 1"},
        {"log_mel", "", {{2, {3, 256}}}, "waveforms of 256 samples, n_fft = 512 needs 257"},
        {"log_mel", "center=no", {{2, {3, 511}}}, "waveforms of 511 samples, n_fft = 512 needs 512"},
        {"log_mel", "n_fft=400", {{2, {3, 16000}}}, "n_fft is 400, expected a power of two"},
        {"log_mel", "win_length=600", {{2, {3, 16000}}}, "win_length is 600, expected at most n_fft, 512"},
        {"log_mel",
         "f_max=9000",
         {{2, {3, 16000}}},
         "f_min is 0 and f_max 9000, expected f_min < f_max <= half the sample rate, 8000"},
        {"log_mel",
         "f_min=8000",
         {{2, {3, 16000}}},
         "f_min is 8000 and f_max 8000, expected f_min < f_max <= half the sample rate, 8000"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}
