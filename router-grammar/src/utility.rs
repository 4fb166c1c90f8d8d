//! Everything that is known by its first words alone.

use pg_query::NodeEnum;
use pg_query::protobuf::{GrantTargetType, Node, ObjectType, RangeVar};
use router_core::sql::print;

use crate::statement::{Read, Walk, inner, needed, strings};

/// Whether a statement creates, changes or drops schema objects.
pub(crate) fn changes_schema(of: &NodeEnum) -> bool {
    !matches!(
        of,
        NodeEnum::TruncateStmt(_)
            | NodeEnum::VacuumStmt(_)
            | NodeEnum::ClusterStmt(_)
            | NodeEnum::ReindexStmt(_)
            | NodeEnum::RefreshMatViewStmt(_)
            | NodeEnum::CheckPointStmt(_)
            | NodeEnum::DoStmt(_)
            | NodeEnum::CallStmt(_)
            | NodeEnum::MergeStmt(_)
            | NodeEnum::ReturnStmt(_)
            | NodeEnum::PlassignStmt(_)
    )
}

/// Kinds of objects that are relations.
fn is_relation(of: ObjectType) -> bool {
    matches!(
        of,
        ObjectType::ObjectTable
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview
            | ObjectType::ObjectForeignTable
            | ObjectType::ObjectIndex
            | ObjectType::ObjectSequence
    )
}

impl Walk {
    pub(crate) fn utility(&mut self, of: &NodeEnum) -> Read<String> {
        let mut temporary = false;
        let mut concurrently = false;
        let mut relations: Vec<String> = Vec::new();
        let mut one = |walk: &mut Self, relation: Option<&RangeVar>| -> Read<()> {
            let relation = relation.ok_or("a relation is missing")?;
            relations.push(walk.object(relation)?);
            Ok(())
        };
        match of {
            NodeEnum::MergeStmt(_) => return Err("MERGE".to_owned()),
            NodeEnum::ReturnStmt(_) | NodeEnum::PlassignStmt(_) => {
                return Err("a statement of PL/pgSQL".to_owned());
            }
            NodeEnum::CreateStmt(of) => {
                temporary = is_temporary(of.relation.as_ref());
                one(self, of.relation.as_ref())?;
            }
            NodeEnum::CreateForeignTableStmt(of) => {
                let base = of.base_stmt.as_ref().ok_or("a table is missing")?;
                one(self, base.relation.as_ref())?;
            }
            NodeEnum::CreateTableAsStmt(of) => {
                let into = of.into.as_ref().ok_or("a table is missing")?;
                temporary = is_temporary(into.rel.as_ref());
                one(self, into.rel.as_ref())?;
            }
            NodeEnum::ViewStmt(of) => {
                temporary = is_temporary(of.view.as_ref());
                one(self, of.view.as_ref())?;
            }
            NodeEnum::CreateSeqStmt(of) => {
                temporary = is_temporary(of.sequence.as_ref());
                one(self, of.sequence.as_ref())?;
            }
            NodeEnum::AlterSeqStmt(of) => one(self, of.sequence.as_ref())?,
            NodeEnum::IndexStmt(of) => {
                concurrently = of.concurrent;
                one(self, of.relation.as_ref())?;
            }
            NodeEnum::AlterTableStmt(of) if is_relation(of.objtype()) => {
                one(self, of.relation.as_ref())?;
            }
            NodeEnum::RenameStmt(of) if renames(of.rename_type(), of.relation_type()) => {
                one(self, of.relation.as_ref())?;
            }
            NodeEnum::AlterObjectSchemaStmt(of) if is_relation(of.object_type()) => {
                one(self, of.relation.as_ref())?;
            }
            NodeEnum::AlterObjectDependsStmt(of)
                if matches!(
                    of.object_type(),
                    ObjectType::ObjectTrigger | ObjectType::ObjectIndex
                ) =>
            {
                one(self, of.relation.as_ref())?;
            }
            NodeEnum::CreateTrigStmt(of) => one(self, of.relation.as_ref())?,
            NodeEnum::CreatePolicyStmt(of) => one(self, of.table.as_ref())?,
            NodeEnum::AlterPolicyStmt(of) => one(self, of.table.as_ref())?,
            NodeEnum::RuleStmt(of) => one(self, of.relation.as_ref())?,
            NodeEnum::ClusterStmt(of) => {
                if of.relation.is_some() {
                    one(self, of.relation.as_ref())?;
                }
            }
            NodeEnum::RefreshMatViewStmt(of) => {
                concurrently = of.concurrent;
                one(self, of.relation.as_ref())?;
            }
            NodeEnum::ReindexStmt(of) => {
                // In the list of options too, which router-core does not read.
                concurrently = of.params.iter().any(|option| {
                    matches!(inner(option), Ok(NodeEnum::DefElem(option))
                        if option.defname == "concurrently"
                            && option.arg.is_none())
                });
                if of.relation.is_some() {
                    one(self, of.relation.as_ref())?;
                }
            }
            NodeEnum::TruncateStmt(of) => {
                for relation in &of.relations {
                    one(self, Some(range_var(relation)?))?;
                }
            }
            NodeEnum::VacuumStmt(of) => {
                for relation in &of.rels {
                    match inner(relation)? {
                        NodeEnum::VacuumRelation(of) => one(self, of.relation.as_ref())?,
                        _ => return Err("a relation of VACUUM".to_owned()),
                    }
                }
            }
            NodeEnum::GrantStmt(of)
                if of.targtype() == GrantTargetType::AclTargetObject
                    && is_relation(of.objtype()) =>
            {
                for relation in &of.objects {
                    one(self, Some(range_var(relation)?))?;
                }
            }
            NodeEnum::CommentStmt(of) if is_relation(of.objtype()) => {
                let name = names(needed(&of.object)?)?;
                relations.push(relation_of(&name)?);
            }
            NodeEnum::DropStmt(of) => {
                concurrently = of.concurrent;
                for object in &of.objects {
                    let mut name = match of.remove_type() {
                        kind if is_relation(kind) => names(inner(object)?)?,
                        ObjectType::ObjectTrigger
                        | ObjectType::ObjectPolicy
                        | ObjectType::ObjectRule => {
                            let mut name = names(inner(object)?)?;
                            name.pop();
                            name
                        }
                        _ => continue,
                    };
                    if name.len() > 2 {
                        return Err("a name of many parts".to_owned());
                    }
                    relations.push(relation_of(&std::mem::take(&mut name))?);
                }
            }
            _ => {}
        }
        Ok(print::utility(
            changes_schema(of),
            temporary,
            concurrently,
            &relations,
        ))
    }
}

fn renames(of: ObjectType, relation: ObjectType) -> bool {
    is_relation(of)
        || matches!(
            of,
            ObjectType::ObjectTrigger | ObjectType::ObjectPolicy | ObjectType::ObjectRule
        )
        || (matches!(
            of,
            ObjectType::ObjectColumn | ObjectType::ObjectTabconstraint
        ) && (is_relation(relation) || of == ObjectType::ObjectTabconstraint))
}

fn is_temporary(of: Option<&RangeVar>) -> bool {
    of.is_some_and(|of| of.relpersistence == "t" || of.schemaname.starts_with("pg_temp"))
}

fn range_var(node: &Node) -> Read<&RangeVar> {
    match inner(node)? {
        NodeEnum::RangeVar(of) => Ok(of),
        _ => Err("something else than a relation".to_owned()),
    }
}

fn names(of: &NodeEnum) -> Read<Vec<String>> {
    match of {
        NodeEnum::List(list) => strings(&list.items),
        _ => Err("something else than a name".to_owned()),
    }
}

fn relation_of(parts: &[String]) -> Read<String> {
    match parts {
        [] | [_] | [_, _] => Ok(print::idents(parts).join(".")),
        _ => Err("a name of many parts".to_owned()),
    }
}
