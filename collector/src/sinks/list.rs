//! The macro that turns the list of sinks into modules, settings and tasks.

/// Declares the sinks, one name per line, each a module below `sinks`.
macro_rules! sinks {
    ($($name:ident)*) => {
        $(pub mod $name;)*

        hopscope_core::sections! {
            /// Settings of each sink.
            Settings {
                $(
                    /// Settings of the sink.
                    $name: <$name::Sink as Sink>::Settings,
                )*
            }
        }

        impl Settings {
            /// Starts a task for each enabled sink.
            #[must_use]
            pub fn start(&self, runner: Runner) -> Runner {
                runner$(.with::<$name::Sink>(&self.$name))*
            }
        }
    };
}

pub(super) use sinks;
