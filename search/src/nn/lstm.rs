//! The LSTM that reads a text's words.

use tch::{Cuda, Kind, Tensor, nn};

/// LSTM of one layer and one direction, with the names of PyTorch's parameters.
#[derive(Debug)]
pub(crate) struct Lstm {
    weights: [Tensor; 4],
    hidden: usize,
}

impl Lstm {
    /// Draws the weights as PyTorch does, from words `input` wide to states `hidden` wide.
    pub(crate) fn new(vs: &nn::Path<'_>, input: usize, hidden: usize) -> Lstm {
        let bound = 1.0 / (hidden as f64).sqrt();
        let (gates, input) = (4 * hidden as i64, input as i64);
        let shapes = [
            ("weight_ih_l0", vec![gates, input]),
            ("weight_hh_l0", vec![gates, hidden as i64]),
            ("bias_ih_l0", vec![gates]),
            ("bias_hh_l0", vec![gates]),
        ];
        let weights = shapes.map(|(name, shape)| vs.uniform(name, &shape, -bound, bound));
        let lstm = Lstm { weights, hidden };
        lstm.flatten(input);
        lstm
    }

    /// Lays the weights one behind the other in memory, as cuDNN reads them.
    ///
    /// Otherwise cuDNN would copy them so at every call.
    fn flatten(&self, input: i64) {
        /// cuDNN's number of the LSTM among recurrent networks.
        const LSTM: i64 = 2;
        if self.weights[0].device().is_cuda() && Cuda::cudnn_is_available() {
            let (count, hidden) = (self.weights.len() as i64, self.hidden as i64);
            let _guard = tch::no_grad_guard();
            let _ =
                Tensor::internal_cudnn_rnn_flatten_weight(&self.weights, count, input, LSTM, hidden, 0, 1, true, false);
        }
    }

    /// Words `[batch, tokens, input]` → states `[batch, tokens, hidden]`.
    pub(crate) fn forward(&self, words: &Tensor) -> Tensor {
        let zeros = || Tensor::zeros([1, words.size()[0], self.hidden as i64], (Kind::Float, words.device()));
        // Training mode always: cuDNN keeps what gradients need only then. Elsewhere it also means
        // dropout between layers; here is only one layer.
        words.lstm(&[zeros(), zeros()], &self.weights, true, 1, 0.0, true, false, true).0
    }
}
