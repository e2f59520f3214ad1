//! Whether what the working directory offers may be used.
//!
//! A checkout may bring manifests, whose handlers are programs, and profiles, which may open the host's network. None of
//! it counts until somebody looked at [`survey`]'s answer and trusted it; what was trusted is remembered by digest, so
//! that a changed file is inert again. A package was looked at when it was added, and is remembered whole: with any file of
//! it changed, added or gone, all of it is inert.

mod book;
mod digest;
mod survey;
mod watch;

pub use book::{TrustBook, TrustFault};
pub use survey::{SurveyedExposure, SurveyedHandler, SurveyedHost, TrustSurvey, survey, survey_package};
pub(super) use watch::Watch;
