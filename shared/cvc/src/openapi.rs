//! Schemas of the types that JSON carries as text.

/// Implements [`utoipa::ToSchema`] for a type that JSON carries as text.
#[macro_export]
macro_rules! text_schema {
    ($type:ident, $description:literal, pattern: $pattern:literal, example: $example:literal) => {
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some($description))
                    .pattern(Some($pattern))
                    .examples([$example])
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $type {}
    };
}
