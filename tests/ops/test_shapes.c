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

Test(shapes, sums_and_maxima) {
    static const shapes accepted[] = {
        {"sum", "", {{3, {2, 3, 5}}}, "1"},
        {"sum", "keepdims=yes", {{3, {2, 3, 5}}}, "1x1x1"},
        {"mean", "axes=-1", {{3, {2, 3, 5}}}, "2x3"},
        {"mean", "axes=2,1", {{4, {2, 3, 5, 7}}}, "2x7"},
        {"mean", "axes=0 keepdims=yes", {{2, {2, 3}}}, "1x3"},
        {"sum", "axes=0", {{1, {5}}}, "1"},
        {"sum_backward", "shape=2,3,5", {{1, {1}}}, "2x3x5"},
        {"mean_backward", "axes=1 shape=2,3,5", {{2, {2, 5}}}, "2x3x5"},
        {"max", "axis=1", {{3, {2, 3, 5}}}, "2x5 2x5"},
        {"argmax", "keepdims=yes", {{3, {2, 3, 5}}}, "2x3x1"},
        {"top_k", "k=4", {{3, {2, 3, 5}}}, "2x3x4 2x3x4"},
        {"selection_backward", "axis=1 keepdims=no shape=2,3,5", {{2, {2, 5}}, {2, {2, 5}}}, "2x3x5"},
        {"selection_backward", "shape=2,3,5", {{3, {2, 3, 4}}, {3, {2, 3, 4}}}, "2x3x5"},
        {"logsumexp", "", {{3, {2, 3, 5}}}, "2x3"},
        {"logsumexp", "keepdims=yes", {{3, {2, 3, 5}}}, "2x3x1"},
        {"l2_normalize", "axis=1", {{3, {2, 3, 5}}}, "2x3x5 2x5"},
    };
    static const shapes refused[] = {
        {"sum", "axes=3", {{3, {2, 3, 5}}}, "x (2x3x5) has no axis 3, expected -3 to 2"},
        {"sum", "axes=1,-2", {{3, {2, 3, 5}}}, "axis -2 is named twice"},
        {"mean", "axes=0,2", {{3, {2, 3, 5}}}, "the axes are no neighbours; reduce over them one after the other"},
        {"sum_backward", "axes=1 shape=2,3,5", {{2, {2, 3}}}, "dy has shape 2x3, expected 2x5"},
        {"sum_backward", "shape=1,1,1,1,1,1,2", {{1, {1}}}, "shape has 7 dimensions, expected 1 to 6"},
        {"max", "axis=-4", {{3, {2, 3, 5}}}, "x (2x3x5) has no axis -4, expected -3 to 2"},
        {"top_k", "k=6", {{2, {3, 5}}}, "rows have 5 elements, fewer than k=6"},
        {"selection_backward", "shape=2,3,5", {{2, {2, 3}}, {2, {2, 3}}}, "dy has shape 2x3, expected 2x3x1"},
        {"selection_backward", "shape=3,5", {{2, {3, 2}}, {2, {3, 1}}}, "where has shape 3x1, expected 3x2"},
        {"logsumexp_backward", "", {{1, {3}}, {2, {3, 5}}, {1, {5}}}, "y has shape 5, expected 3"},
        {"l2_normalize_backward", "", {{2, {3, 5}}, {2, {3, 5}}, {1, {5}}}, "norm has shape 5, expected 3"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}

Test(shapes, normalisations) {
    static const shapes accepted[] = {
        {"layer_norm", "", {{3, {2, 3, 5}}, {1, {5}}, {1, {5}}}, "2x3x5 2x3 2x3"},
        {"layer_norm", "dims=2", {{3, {2, 3, 5}}, {2, {3, 5}}}, "2x3x5 2 2"},
        {"layer_norm", "dims=2", {{2, {3, 5}}}, "3x5 1 1"},
        {"layer_norm_backward", "", {{2, {3, 5}}, {2, {3, 5}}, {1, {3}}, {1, {3}}, {1, {5}}}, "3x5 5 5"},
        {"layer_norm_backward", "bias=no", {{2, {3, 5}}, {2, {3, 5}}, {1, {3}}, {1, {3}}, {1, {5}}}, "3x5 5"},
        {"layer_norm_backward", "", {{2, {3, 5}}, {2, {3, 5}}, {1, {3}}, {1, {3}}}, "3x5"},
        {"group_norm", "groups=2", {{4, {3, 5, 7, 8}}, {1, {8}}, {1, {8}}}, "3x5x7x8 3x2 3x2"},
        {"instance_norm", "", {{3, {3, 5, 8}}}, "3x5x8 3x8 3x8"},
    };
    static const shapes refused[] = {
        {"layer_norm", "dims=3", {{2, {3, 5}}}, "dims=3: x has 2 dimensions (3x5)"},
        {"layer_norm", "", {{2, {3, 5}}, {1, {3}}}, "weight has shape 3, expected 5"},
        {"layer_norm", "", {{2, {3, 5}}, {-1, {0}}, {1, {5}}}, "a bias needs a weight beside it"},
        {"group_norm", "groups=3", {{3, {3, 5, 8}}}, "groups=3 do not divide the 8 channels of x (3x5x8)"},
        {"group_norm", "groups=2", {{1, {8}}}, "x has 1 dimensions, expected at least 2"},
        {"group_norm", "groups=2", {{3, {3, 5, 8}}, {1, {8}}}, "a weight and a bias belong together"},
        {"instance_norm", "", {{4, {3, 1, 1, 8}}}, "each group of x (3x1x1x8) has one element, which is its own mean"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}

Test(shapes, embeddings) {
    static const shapes accepted[] = {
        {"embedding", "vocabulary=9 out=4", {{2, {2, 3}}, {2, {9, 4}}}, "2x3x4"},
        {"embedding", "vocabulary=9 out=4", {{1, {2}}, {2, {9, 4}}}, "2x4"},
        {"embedding_bag", "vocabulary=9 out=4", {{2, {2, 3}}, {2, {9, 4}}}, "2x4"},
        {"embedding_bag", "vocabulary=9 out=4 mode=sum", {{2, {2, 3}}, {2, {9, 4}}, {2, {2, 3}}}, "2x4"},
        {"embedding_backward", "vocabulary=9", {{3, {2, 3, 4}}, {2, {2, 3}}}, "9x4"},
        {"embedding_bag_backward", "vocabulary=9", {{2, {2, 4}}, {2, {2, 3}}}, "9x4"},
    };
    static const shapes refused[] = {
        {"embedding", "vocabulary=9 out=4", {{2, {2, 3}}, {2, {4, 9}}}, "weight has shape 4x9, expected 9x4"},
        {"embedding",
         "vocabulary=9 out=4 padding_idx=9",
         {{2, {2, 3}}, {2, {9, 4}}},
         "padding_idx=9 is no id of vocabulary=9"},
        {"embedding_bag", "vocabulary=9 out=4", {{1, {3}}, {2, {9, 4}}}, "ids has 1 dimensions (3), expected 2"},
        {"embedding_bag",
         "vocabulary=9 out=4",
         {{2, {2, 3}}, {2, {9, 4}}, {2, {2, 3}}},
         "a scale per id needs mode=sum"},
        {"embedding_bag",
         "vocabulary=9 out=4 mode=sum",
         {{2, {2, 3}}, {2, {9, 4}}, {1, {2}}},
         "scale has shape 2, expected 2x3"},
        {"embedding_backward", "vocabulary=9", {{3, {2, 3, 4}}, {2, {2, 5}}}, "dy has shape 2x3x4, expected 2x5x4"},
        {"gather_dot", "", {{2, {2, 4}}, {2, {2, 3}}, {2, {9, 5}}}, "v has shape 2x4, expected 2x5"},
        {"bank_update", "", {{2, {9, 5}}, {1, {3}}, {2, {2, 5}}}, "v has shape 2x5, expected 3x5"},
        {"ema_update", "", {{2, {9, 5}}, {1, {5}}, {1, {1}}}, "x has shape 5, expected 9x5"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}

Test(shapes, recurrent) {
    static const shapes accepted[] = {
        {"lstm",
         "hidden=4",
         {{3, {2, 5, 3}}, {2, {2, 1}}, {2, {3, 16}}, {2, {4, 16}}, {1, {16}}, {1, {16}}},
         "2x5x4 2x5x16 2x5x4"},
        {"gru", "hidden=4 bias=no", {{3, {2, 5, 3}}, {-1, {0}}, {2, {3, 12}}, {2, {4, 12}}}, "2x5x4 2x5x16"},
        {"gru_backward",
         "",
         {{3, {2, 5, 4}}, {3, {2, 5, 16}}, {3, {2, 5, 4}}, {2, {4, 12}}, {1, {2}}},
         "2x5x12 2x5x12 2x4"},
        {"last_step", "", {{3, {2, 5, 3}}, {2, {2, 1}}}, "2x3"},
    };
    static const shapes refused[] = {
        {"lstm", "hidden=4", {{2, {5, 3}}}, "x has 2 dimensions (5x3), expected 3"},
        {"lstm",
         "hidden=4",
         {{3, {2, 5, 3}}, {1, {2}}},
         "2 inputs, expected x, lengths (may be absent), weight_ih and weight_hh at least"},
        {"lstm",
         "hidden=4 bias=no",
         {{3, {2, 5, 3}}, {1, {5}}, {2, {3, 16}}, {2, {4, 16}}},
         "lengths has shape 5, expected 2"},
        {"gru",
         "hidden=4 bias=no",
         {{3, {2, 5, 3}}, {1, {2}}, {2, {3, 16}}, {2, {4, 16}}},
         "weight_ih has shape 3x16, expected 3x12"},
        {"gru",
         "hidden=4",
         {{3, {2, 5, 3}}, {1, {2}}, {2, {3, 12}}, {2, {4, 12}}, {1, {12}}},
         "bias=yes, but bias_hh is absent"},
        {"gru",
         "hidden=4 bias=no",
         {{3, {2, 5, 3}}, {1, {2}}, {2, {3, 12}}, {2, {4, 12}}, {1, {12}}},
         "bias=no, but bias_ih is there"},
        {"lstm_backward",
         "",
         {{3, {2, 5, 4}}, {3, {2, 5, 16}}, {3, {2, 5, 16}}, {2, {4, 16}}},
         "cell has shape 2x5x16, expected 2x5x4"},
        {"last_step", "", {{3, {2, 5, 3}}, {2, {2, 5}}}, "lengths has shape 2x5, expected 2"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}

Test(shapes, losses) {
    static const shapes accepted[] = {
        {"cross_entropy", "", {{3, {2, 5, 3}}, {2, {2, 5}}, {1, {3}}}, "1 2x5x3"},
        {"kl_div", "", {{3, {2, 5, 3}}, {3, {2, 5, 3}}, {1, {1}}}, "1 2x5x3"},
        {"bce_with_logits", "", {{2, {2, 5}}, {2, {2, 5}}, {1, {5}}}, "1 2x5"},
    };
    static const shapes refused[] = {
        {"cross_entropy", "", {{1, {3}}, {1, {3}}}, "logits has 1 dimensions, expected at least 2"},
        {"cross_entropy", "", {{3, {2, 5, 3}}, {1, {2}}}, "labels has shape 2, expected 2x5"},
        {"cross_entropy", "", {{2, {2, 5}}, {1, {2}}, {1, {2}}}, "weight has shape 2, expected 5"},
        {"mse_loss", "", {{2, {2, 5}}, {2, {5, 2}}}, "the second input has shape 5x2, expected 2x5"},
        {"bce_with_logits", "", {{2, {2, 5}}, {2, {2, 5}}, {1, {2}}}, "pos_weight has shape 2, expected 5"},
        {"kl_div", "", {{2, {2, 5}}, {2, {2, 5}}, {1, {2}}}, "temperature has shape 2, expected 1"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}
