use serde::{
    Deserializer,
    de::{
        DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
        value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::{
    misfit::Misfit,
    tree::{Node, State, Step, Value},
};

/// Reads typed settings out of a tree. Every error knows the steps to the value that caused it, and what is
/// damaged is passed over as if it were not there.
pub(super) struct Reader<'t>(pub(super) &'t Node);

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.0.value {
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Integer(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => visitor.visit_i64(number),
                (_, Ok(number)) => visitor.visit_u64(number),
                _ => Err(Misfit::custom("is out of range; a whole number has at most 64 bits")),
            },
            Value::Float(number) if !number.is_finite() => {
                Err(Misfit::custom("is not a finite number; write one in digits"))
            }
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items { items: items.iter().enumerate() }),
            Value::Table(entries) => visitor.visit_map(Entries { entries: entries.iter(), current: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.0.value {
            // Else its first item would be taken for the first setting.
            Value::List(_) => Err(Misfit::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match &self.0.value {
            Value::Text(text) => {
                let text: StrDeserializer<'_, Misfit> = text.as_str().into_deserializer();
                visitor.visit_enum(text)
            }
            _ => Err(Misfit::unknown_variant("", variants)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'t, I: Iterator<Item = (usize, &'t Node)>> {
    items: I,
}

impl<'de, I: Iterator<Item = (usize, &'de Node)>> SeqAccess<'de> for Items<'de, I> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some((index, item)) = self.items.find(|(_, item)| item.state != State::Damaged) else { return Ok(None) };
        seed.deserialize(Reader(item)).map(Some).map_err(|misfit| misfit.below(Step::Index(index)))
    }
}

struct Entries<'t> {
    entries: std::slice::Iter<'t, (String, Node)>,
    current: Option<&'t (String, Node)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        self.current = self.entries.find(|(_, node)| node.state != State::Damaged);
        let Some((name, _)) = self.current else { return Ok(None) };
        let text: StrDeserializer<'_, Misfit> = name.as_str().into_deserializer();
        seed.deserialize(text).map(Some).map_err(|misfit| misfit.below(Step::Name(name.clone())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let Some((name, node)) = self.current.take() else {
            return Err(Misfit::custom("a value was asked for before its name"));
        };
        seed.deserialize(Reader(node)).map_err(|misfit| misfit.below(Step::Name(name.clone())))
    }
}
