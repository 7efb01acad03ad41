use mmnas_bundle::{Architecture, Operation};

/// The operations that each block may be (MMnas, section 3.2): pure data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Choices of each encoder block.
    pub encoder: Vec<Vec<Operation>>,
    /// Choices of each decoder block.
    pub decoder: Vec<Vec<Operation>>,
}

impl Space {
    /// The published pool on the given numbers of blocks: {SA, FFN} in the encoder, {SA, RSA, GA, FFN} in the decoder.
    pub fn published(encoder: usize, decoder: usize) -> Space {
        Space {
            encoder: vec![Operation::ENCODER.to_vec(); encoder],
            decoder: vec![Operation::DECODER.to_vec(); decoder],
        }
    }

    /// The space with `architecture` as its only member.
    pub fn single(architecture: &Architecture) -> Space {
        let one = |ops: &[Operation]| ops.iter().map(|op| vec![*op]).collect();
        Space { encoder: one(&architecture.encoder), decoder: one(&architecture.decoder) }
    }

    /// All blocks, the encoder's first.
    pub fn blocks(&self) -> impl Iterator<Item = &[Operation]> {
        self.encoder.iter().chain(&self.decoder).map(Vec::as_slice)
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.encoder.len() + self.decoder.len()
    }

    /// Whether there is no block.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The architecture with operation `choices[b]` of the space in block `b`.
    pub fn architecture(&self, choices: &[usize]) -> Architecture {
        let mut picked: Vec<Operation> = self.blocks().zip(choices).map(|(ops, &k)| ops[k]).collect();
        let decoder = picked.split_off(self.encoder.len());
        Architecture { encoder: picked, decoder }
    }
}
