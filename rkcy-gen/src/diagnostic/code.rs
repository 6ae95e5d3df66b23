//! Owns the registry of codes. A code never changes its meaning and is never used again; each has
//! a page in `pages/`, which `rkcy-gen explain CODE` prints.

use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The schema means nothing until this is put right.
    Error,
    /// The schema means something, but maybe not what its author thinks.
    Warning,
}

impl Severity {
    /// As reports have it.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($($name:ident $number:literal $severity:ident $title:literal)*) => {
        /// The code of a rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(
                #[doc = $title]
                $name,
            )*
        }

        impl Code {
            /// All codes, in order of their numbers.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// As it is printed: `RKCY0023`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Code::$name => concat!("RKCY", $number),)*
                }
            }

            /// The rule in a few words.
            pub fn title(self) -> &'static str {
                match self {
                    $(Code::$name => $title,)*
                }
            }

            /// Whether breaking the rule is an error.
            pub fn severity(self) -> Severity {
                match self {
                    $(Code::$name => Severity::$severity,)*
                }
            }

            pub(super) fn text(self) -> &'static str {
                match self {
                    $(Code::$name => include_str!(concat!("pages/RKCY", $number, ".md")),)*
                }
            }
        }
    };
}

codes! {
    NotSupportedYet     "0001" Error   "not supported yet"
    // Text.
    NotText             "0002" Error   "a schema is UTF-8 text"
    RefusedCharacter    "0003" Error   "a character that is not allowed anywhere"
    WrongCharacter      "0004" Error   "a character that no rule uses"
    Semicolon           "0005" Error   "nothing ends with a semicolon"
    UnterminatedString  "0006" Error   "a string ends on its line"
    WrongEscape         "0007" Error   "an escape that does not exist"
    WrongNumber         "0008" Error   "numbers are plain decimal digits"
    BlockComment        "0009" Error   "comments begin with `//`"
    UnbalancedBracket   "0010" Error   "every bracket is closed by its own kind"
    TooDeep             "0011" Error   "brackets are nested too deep"
    NotASchema          "0012" Error   "this is something other than a schema"
    Unexpected          "0013" Error   "something else is expected here"
    StrayComma          "0014" Error   "no comma between members"
    LooseDocumentation  "0015" Warning "documentation stands before what it describes"
    // The platform and its files.
    NoPlatform          "0016" Error   "a build has a platform"
    SecondPlatform      "0017" Error   "a build has one platform"
    UnknownSetting      "0018" Error   "a setting that does not exist"
    WrongSetting        "0019" Error   "a setting with a value of the wrong kind"
    SettingTwice        "0020" Error   "a setting is given once"
    UnreadableImport    "0021" Error   "an imported file must be readable"
    ImportedTwice       "0022" Error   "a file is imported once"
    // Names.
    UnknownType         "0023" Error   "a type that does not exist"
    Duplicate           "0024" Error   "a name is declared once"
    Collision           "0025" Error   "two names become one in the generated code"
    TypeNaming          "0026" Warning "types are UpperCamel"
    MemberNaming        "0027" Warning "members are snake_case"
    UnknownAttribute    "0028" Error   "an attribute that does not exist"
    MisplacedAttribute  "0029" Error   "an attribute that cannot stand here"
    AttributeTwice      "0030" Error   "an attribute is given once"
    AttributeArguments  "0031" Error   "an attribute with the wrong arguments"
    // Types.
    WrongKindOfType     "0032" Error   "a type that cannot be used like this"
    NestedCollection    "0033" Error   "lists hold single values"
    RepeatedOptional    "0034" Error   "`?` stands once, and not on lists"
    RecursiveMessage    "0035" Error   "a message that contains itself"
    RequiredCircle      "0036" Error   "required references in a circle"
    WrongDigits         "0115" Error   "digits that no number has"
    // Members.
    MissingKey          "0037" Error   "a concern has a key"
    SecondKey           "0038" Error   "a concern has one key, at its top"
    WrongKeyType        "0039" Error   "a type that cannot be a key"
    KeyNeverChanges     "0040" Error   "a key has no default and is never absent"
    UnboundedKey        "0041" Error   "a string that is a key has a bound"
    EmptyEnum           "0042" Error   "an enum has values"
    BuiltinOperation    "0043" Error   "a name that every concern uses already"
    WrongPayload        "0044" Error   "a payload is one message or named parameters"
    StoredConcern       "0045" Error   "a concern is not a value"
    WrongTable          "0046" Error   "a table for what is no list of messages"
    // Constraints, defaults, numbers.
    WrongConstraint     "0047" Error   "a constraint that says nothing about its type"
    LimitOutsideType    "0048" Error   "a limit that the type cannot reach"
    EmptyRange          "0049" Error   "a range that nothing lies in"
    WrongDefault        "0050" Error   "a default of the wrong type"
    DefaultOutside      "0051" Error   "a default that breaks its own constraint"
    WrongPattern        "0052" Error   "a pattern that both databases and Rust can read"
    WrongTag            "0053" Error   "a number that protobuf does not allow"
    TagTwice            "0054" Error   "a number is used once"
    JsonNameTwice       "0055" Error   "a name in JSON is used once"
    WrongAuto           "0056" Error   "a value that `@auto` does not make"
    // Transactions.
    UnknownName         "0057" Error   "a name that is bound nowhere"
    UnknownField        "0058" Error   "a field that does not exist"
    UnknownOperation    "0059" Error   "a command or query that does not exist"
    UnknownRefusal      "0060" Error   "a refusal that is not declared"
    WrongType           "0061" Error   "a value of the wrong type"
    WrongKey            "0062" Error   "a key of the wrong type"
    WrongArguments      "0063" Error   "the wrong number of arguments"
    OmittedField        "0064" Error   "a field that may not be left out"
    UnnamedParameter    "0065" Error   "parameters of transactions have names"
    UsedTooEarly        "0066" Error   "a result is used before it exists"
    BoundTwice          "0067" Error   "a name is bound once and hides nothing"
    CommittedField      "0068" Error   "no field of an instance that is not bound"
    FieldOfOptional     "0069" Error   "no field of what may be absent"
    NoFields            "0070" Error   "a value without fields"
    ReturnNotLast       "0071" Error   "`return` is last and stands once"
    MissingReturn       "0072" Error   "a result type and a `return` belong together"
    NotACondition       "0073" Error   "a condition is a `bool`"
    NotComparable       "0074" Error   "two values that cannot be compared"
    NeverAbsent         "0075" Error   "`is` asks about optionals"
    KeyFromResult       "0076" Error   "a key out of a result breaks the order of locks"
    UnusedParameter     "0077" Warning "a parameter that is not used"
    UnusedBinding       "0078" Warning "a `let` that is not used"
    Ambiguous           "0079" Error   "a name that means two things"
    NestedStep          "0080" Error   "a step is not part of an expression"
    NoResult            "0081" Error   "a step that gives nothing"
    UnusedRefusal       "0082" Warning "a refusal that is not used"
    UnusedImport        "0083" Warning "an import that is not used"
    NoSteps             "0084" Error   "a transaction has steps"
    ConcernResult       "0085" Error   "whose instance a result may be"
    YieldOutsideFor     "0086" Error   "`yield` gives the value of a `for` or an `if`"
    StepOnBinding       "0087" Error   "a step names its concern and key"
    TooLarge            "0088" Error   "values that grow without end"
    QueryWithoutResult  "0089" Error   "a query gives something"
    // Loops, conditions, functions.
    UnboundedList       "0100" Error   "a `for` goes through a list with a bound"
    TooManyVisits       "0101" Error   "a transaction makes a bounded number of visits"
    YieldNotLast        "0102" Error   "`yield` is last in its braces and stands once"
    MissingYield        "0103" Error   "a `for` or an `if` that is a value yields one"
    UsedOutside         "0104" Error   "a name is known inside of its braces"
    UpdateOfImmutable   "0105" Error   "`update` of what never changes"
    // What instances claim.
    WrongUnique         "0120" Error   "what cannot be unique"
    WrongSide           "0121" Error   "a `by` side that is no other side of a reference"
    DerivedSide         "0122" Error   "a `by` side is derived, never set or read"
    UniqueFromResult    "0123" Error   "a unique value is known at submission"
    HalfOfUnique        "0124" Error   "an update gives all of a unique value or none"
    UnknownUnique       "0125" Error   "no `unique` is made of these fields"
    // Configuration.
    ConfigAsValue       "0130" Error   "configuration is referred to, never stored inside something else"
    WrongConfigKey      "0131" Error   "a config has one key, of one part"
    ConfigAsConcern     "0132" Error   "configuration is no concern"
    ConfigInTransaction "0133" Error   "transactions neither read nor change configuration"
    // What is related.
    NothingRelated      "0135" Error   "an operation that reads what is related has something to read"
    RelatedInTransaction "0136" Warning "what is related may lag behind what a transaction sees"
    // Sagas.
    WrongUndo           "0106" Error   "what cannot undo another"
    MissingUndo         "0107" Error   "what a refusal can come after has an undo"
    UndoMayBreak        "0108" Warning "an undo that can break a constraint"
    // Events and effects.
    EventAsValue        "0140" Error   "an event is emitted, never stored or passed on"
    NotAnEvent          "0141" Error   "`emit` takes an event"
    EffectInTransaction "0142" Error   "effects are called in sagas"
    // Timers and lists.
    WrongTimerField     "0160" Error   "a timer waits for a `timestamp` of its concern"
    WrongTimerAction    "0161" Error   "a timer gives what it runs the instance and nothing else"
    TimerTwice          "0162" Error   "a timer is set once"
    WrongList           "0163" Error   "a list is ordered by single values, each once"
    ListInTransaction   "0164" Error   "lists are read outside of transactions"
    // Functions.
    FunctionGivesNothing "0165" Error  "a function gives a value"
    // What a concern does without.
    WrongNarrowing      "0110" Error   "`only` and `without` narrow what every concern has"
    RemovedOperation    "0111" Error   "an operation that its concern does without"
    // How a schema came about.
    WrongWas            "0150" Error   "one thing had a former name, and has it no more"
    WrongAllow          "0151" Error   "an `@allow` names what can be silenced, and says why"
    UnusedAllow         "0152" Warning "an `@allow` that silences nothing"
    DamagedLock         "0153" Error   "only the generator writes the lock"
    NumberMoved         "0154" Error   "a number never moves"
    UnknownWas          "0155" Error   "a former name that the lock does not know"
    MigrationTampered   "0156" Error   "a migration is never edited, moved or removed"
    MigrationsBehind    "0157" Warning "the migrations do not reach the schema yet"
    NumbersUsedUp       "0170" Error   "there are no more numbers to give"
    CallerUnseen        "0158" Warning "a transaction that does not look at who calls"
    // Migrations: what has none.
    KeyMoved            "0200" Error   "a key never changes, nor the group that an instance is in"
    NoConversion        "0201" Error   "values of one type that cannot become those of another"
    // Migrations: what loses data.
    DropsTable          "0210" Warning "a migration that removes rows"
    DropsColumn         "0211" Warning "a migration that removes values"
    RoundsColumn        "0212" Warning "a migration that rounds values"
    ViewBeginsEmpty     "0213" Warning "a related view without those that are there"
    // Migrations: what can fail on rows that are there.
    NeedsValue          "0220" Warning "a new field that no row has a value for"
    BecameRequired      "0221" Warning "a field that may not be absent any more"
    NarrowsColumn       "0222" Warning "a field that takes fewer values than before"
    RemovesValue        "0223" Warning "an enum value that rows may have"
    NotUniqueYet        "0224" Warning "a unique value that rows may share"
    // Migrations: what locks for long.
    RewritesTable       "0230" Warning "a migration that locks a table while it writes it anew"
    RewritesRows        "0231" Warning "a migration that writes rows anew"
    FillsFromRows       "0232" Warning "a migration that counts what is there"
    // What breaks on the wire: records in flight, and clients that speak protobuf.
    WireType            "0300" Error   "a field keeps its form on the wire"
    Cardinality         "0301" Error   "one value does not become a list"
    NumberFree          "0302" Error   "the number of a field that is gone stays reserved"
    ValueGone           "0303" Error   "a value of an enum stays"
    ReservedGone        "0304" Error   "a number that was reserved stays reserved"
    // What breaks in JSON.
    FieldNameInJson     "0310" Error   "a field keeps its name in JSON"
    ValueNameInJson     "0311" Error   "a value of an enum keeps its name in JSON"
    JsonType            "0312" Error   "a field keeps its form in JSON"
    FieldGone           "0313" Error   "a field stays"
    // What breaks callers.
    RequestNeedsMore    "0320" Error   "a request needs no more than before"
    RequestOutside      "0321" Error   "what was taken is taken"
    TransactionGone     "0322" Error   "a transaction stays"
    ConcernGone         "0323" Error   "a concern stays"
    OperationGone       "0324" Error   "an operation stays"
    ResultChanged       "0325" Error   "a result keeps its type"
    // What breaks transactions in flight.
    StepsChanged        "0330" Error   "a transaction keeps its steps"
    UndoChanged         "0331" Error   "a command keeps its undo"
    // What breaks rows.
    KeyChanged          "0340" Error   "a concern keeps its key"
    GroupChanged        "0341" Error   "a concern keeps its group"
    RowNeedsValue       "0342" Error   "rows that are there can be read"
    RowsOutside         "0343" Error   "rows that are there keep to the constraints"
    ClaimsChanged       "0344" Error   "what rows claim is claimed"
}

impl Code {
    /// The code with a name, in any case, with or without the letters: `RKCY0023`, `rkcy0023`, `23`.
    pub fn find(name: &str) -> Option<Code> {
        let digits = name
            .strip_prefix("RKCY")
            .or_else(|| name.strip_prefix("rkcy"))
            .unwrap_or(name);
        let number: u32 = digits.parse().ok()?;
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.name() == format!("RKCY{number:04}"))
    }

    /// Whether it is found by holding a schema against an older one: by `migrate` and `breaking`.
    pub fn is_about_change(self) -> bool {
        // The numbers of those two begin there.
        self.name() >= "RKCY0200"
    }

    /// Whether it is found by `migrate`.
    pub fn is_about_migration(self) -> bool {
        ("RKCY0200".."RKCY0300").contains(&self.name())
    }

    /// Whether it is found by `breaking`.
    pub fn is_about_breaking(self) -> bool {
        ("RKCY0300".."RKCY0400").contains(&self.name())
    }

    /// Whether the input is unreadable rather than wrong, which is another exit code.
    pub fn is_unreadable(self) -> bool {
        matches!(
            self,
            Code::NotText
                | Code::RefusedCharacter
                | Code::TooDeep
                | Code::NotASchema
                | Code::DamagedLock
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
