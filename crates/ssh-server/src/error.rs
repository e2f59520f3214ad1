//! What ends a connection early.

/// A connection that ended otherwise than by its client's leave.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The stream to the client broke, or the client spoke otherwise than it should.
    #[error("the connection to ssh broke: {0}")]
    Ssh(#[from] russh::Error),
    /// The client wants to be somebody who cannot be had.
    #[error("cannot be `{user}` in this sandbox: {words}")]
    User {
        /// Who.
        user: String,
        /// Why not.
        words: String,
    },
}
