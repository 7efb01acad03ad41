//! Runs of one session from many threads at a time.
//!
//! ONNX Runtime allows them (`OrtApi::Run` changes nothing in a session); its Rust binding asks for a mutable session all
//! the same, which would make the calls of a process wait for one another. So this calls the function itself.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError};

use ort::AsPointer as _;
use ort::session::{NoSelectedOutputs, RunOptions, Session, SessionInputValue, SharedSessionInner};
use ort::value::DynValue;

/// A session with the names that it is fed and read by.
#[derive(Debug)]
pub(crate) struct SharedSession {
    session: Arc<SharedSessionInner>,
    // Holds the allocator that its outputs lie in.
    owner: Session,
    inputs: Vec<CString>,
    outputs: Vec<CString>,
    /// Runs take turns where this is.
    turns: Option<Mutex<()>>,
}

impl SharedSession {
    /// Wraps `session` with the names of its inputs and outputs.
    ///
    /// It is fed with tensors in the order of `inputs` and read in that of `outputs`. Its runs take turns unless they
    /// may be `at_once`. There is none where a name holds a zero.
    pub(crate) fn new<'a>(
        session: Session,
        inputs: impl Iterator<Item = &'a str>,
        outputs: impl Iterator<Item = &'a str>,
        at_once: bool,
    ) -> Option<SharedSession> {
        let inputs = inputs.map(|name| CString::new(name).ok()).collect::<Option<_>>()?;
        let outputs = outputs.map(|name| CString::new(name).ok()).collect::<Option<_>>()?;
        let turns = (!at_once).then(|| Mutex::new(()));
        Some(SharedSession { session: session.inner(), owner: session, inputs, outputs, turns })
    }

    /// Runs the session on one tensor for every input; gives one value for every output.
    pub(crate) fn run(
        &self,
        inputs: &[SessionInputValue<'_>],
        options: Option<&RunOptions<NoSelectedOutputs>>,
    ) -> ort::Result<Vec<DynValue>> {
        if inputs.len() != self.inputs.len() {
            return Err(ort::Error::new(format!("expected {} inputs, found {}", self.inputs.len(), inputs.len())));
        }
        let pointers = |names: &[CString]| names.iter().map(|name| name.as_ptr()).collect::<Vec<*const c_char>>();
        let (input_names, output_names) = (pointers(&self.inputs), pointers(&self.outputs));
        let values: Vec<*const ort::sys::OrtValue> = inputs.iter().map(|value| value.ptr()).collect();
        let _turn = self.turns.as_ref().map(|turns| turns.lock().unwrap_or_else(PoisonError::into_inner));
        let mut found: Vec<*mut ort::sys::OrtValue> = vec![ptr::null_mut(); self.outputs.len()];
        // SAFETY: the session, the options and the values live until this function returns, as do the names, which end in
        // zeros; every array is as long as is said; ONNX Runtime does not change what the pointers to inputs lead to.
        // Runs of a session at the same time are what ONNX Runtime's documentation of the function allows.
        unsafe {
            let status = (ort::api().Run)(
                self.session.ptr().cast_mut(),
                options.map_or(ptr::null(), |options| options.ptr()),
                input_names.as_ptr(),
                values.as_ptr(),
                values.len(),
                output_names.as_ptr(),
                output_names.len(),
                found.as_mut_ptr(),
            );
            ort::Error::result_from_status(status)?;
        }
        // SAFETY: a run that went well has filled each place with a value that is ours to release, from the session's own
        // allocator, which `owner` keeps.
        let value = |pointer: NonNull<_>| unsafe { DynValue::from_ptr(pointer, Some(self.owner.allocator())) };
        let value = |pointer| NonNull::new(pointer).map(value).ok_or_else(|| ort::Error::new("an output is missing"));
        found.into_iter().map(value).collect()
    }
}
