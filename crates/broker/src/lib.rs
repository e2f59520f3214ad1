//! The engine: catalog, store, sagas, reconcile.
