//! Whether a document of JSON is what a schema of ours says.

use super::schema::{Schema, Violation};
use serde_json::Value;

/// One way in which a document breaks its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFault {
    /// Which member, as keys and indexes joined by `.`; empty for the document as a whole.
    pub member: String,
    /// What is wrong with it.
    pub message: String,
    /// What was probably meant.
    pub nearest: Option<String>,
}

/// Every way in which `document` breaks `schema`, in the order of the schema.
pub fn document_faults(schema: &Value, document: &Value) -> Vec<DocumentFault> {
    let violations = match Schema::new(schema) {
        Ok(schema) => schema.violations(document),
        Err(fault) => {
            let message = format!("cannot be checked: {}", fault.message);
            return vec![DocumentFault { member: String::new(), message, nearest: None }];
        }
    };
    let fault = |violation: Violation| DocumentFault {
        member: violation.path.join("."),
        message: violation.message,
        nearest: violation.nearest,
    };
    violations.into_iter().map(fault).collect()
}
