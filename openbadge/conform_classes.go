package openbadge

// form is the form that a value must have.
type form uint8

const (
	aText form = iota + 1
	aTime
	aBool
	aNumber
	aNode
	aNodeOrAddress // an object, or the address of an object
)

// multiplicity says whether a property has one value or a list of values.
type multiplicity uint8

const (
	never  multiplicity = iota // exactly one value
	always                     // the values are in a list, even if there is only one value
	either                     // the property has one value, or a list of values
)

// property is a property of a class. The table also contains the optional properties, because their values must have
// the form of the standard too.
type property struct {
	name     string
	form     form
	class    string // for a node: the name of its class; for other forms: empty
	many     multiplicity
	required bool
	spoken   bool // the value is a text that may name its language
}

// class is a class of the data model of Open Badges 3.0 (appendix B). An object of the class must have the type typ;
// if only typed is set, it must have some type.
type class struct {
	name       string
	typ        string
	typed      bool
	properties []property
}

// classNamed returns the class with this name.
func classNamed(name string) class {
	for _, c := range classes {
		if c.name == name {
			return c
		}
	}
	return class{}
}

// need returns a required property with one value, and may returns an optional property. The functions below do the
// same for properties whose values are objects of a class.
func need(name string, f form) property { return property{name: name, form: f, required: true} }
func may(name string, f form) property  { return property{name: name, form: f} }

func needNode(name, class string) property {
	return property{name: name, form: aNode, class: class, required: true}
}
func mayNode(name, class string) property { return property{name: name, form: aNode, class: class} }
func mayNodes(name, class string) property {
	return property{name: name, form: aNode, class: class, many: always}
}

// classes lists the classes that a badge may contain, with the required properties and the forms of all values, from
// 1EdTech's JSON schema of the AchievementCredential (version 3.0, with the date terms of the final version). The
// list leaves out properties whose values come from vocabularies, which issuers may extend, and endorsements, which
// are separate credentials. The properties name and description may also be texts with a language, as in the data
// model 2.0 (section 11.1). The name of the credential is required, although later drafts make this name optional.
var classes = [...]class{
	{name: "AchievementCredential", properties: []property{
		need("id", aText), {name: "name", form: aText, required: true, spoken: true},
		{name: "description", form: aText, spoken: true}, mayNode("image", "Image"),
		needNode("credentialSubject", "AchievementSubject"), mayNodes("evidence", "Evidence"),
		{name: "endorsementJwt", form: aText, many: always},
		{name: "issuer", form: aNodeOrAddress, class: "Profile", required: true}, may("awardedDate", aTime),
		{name: "credentialSchema", form: aNode, class: "CredentialSchema", many: either},
		{name: "credentialStatus", form: aNode, class: "CredentialStatus", many: either},
		{name: "refreshService", form: aNode, class: "RefreshService", many: either},
		{name: "termsOfUse", form: aNode, class: "TermsOfUse", many: either},
	}},
	{name: "AchievementSubject", typ: "AchievementSubject", properties: []property{
		may("id", aText), may("activityStartDate", aTime), may("activityEndDate", aTime),
		may("creditsEarned", aNumber), needNode("achievement", "Achievement"),
		mayNodes("identifier", "IdentityObject"), mayNode("image", "Image"), may("licenseNumber", aText),
		may("narrative", aText), mayNodes("result", "Result"), may("role", aText), mayNode("source", "Profile"),
		may("term", aText),
	}},
	{name: "IdentityObject", typ: "IdentityObject", properties: []property{
		need("hashed", aBool), need("identityHash", aText), need("identityType", aText), may("salt", aText),
	}},
	{name: "Evidence", typ: "Evidence", properties: []property{
		may("id", aText), may("narrative", aText), may("name", aText), may("description", aText), may("genre", aText),
		may("audience", aText),
	}},
	{name: "Achievement", typ: "Achievement", properties: []property{
		need("id", aText), needNode("criteria", "Criteria"),
		{name: "description", form: aText, required: true, spoken: true},
		{name: "name", form: aText, required: true, spoken: true}, mayNodes("alignment", "Alignment"),
		may("achievementType", aText), mayNode("creator", "Profile"), may("creditsAvailable", aNumber),
		{name: "endorsementJwt", form: aText, many: always}, may("fieldOfStudy", aText), may("humanCode", aText),
		mayNode("image", "Image"), mayNodes("otherIdentifier", "IdentifierEntry"), mayNodes("related", "Related"),
		mayNodes("resultDescription", "ResultDescription"), may("specialization", aText),
		{name: "tag", form: aText, many: always}, may("version", aText),
	}},
	{name: "Criteria", properties: []property{
		may("id", aText), may("narrative", aText),
	}},
	{name: "Alignment", typ: "Alignment", properties: []property{
		may("targetCode", aText), may("targetDescription", aText), need("targetName", aText),
		may("targetFramework", aText), may("targetType", aText), need("targetUrl", aText),
	}},
	{name: "IdentifierEntry", typ: "IdentifierEntry", properties: []property{
		need("identifier", aText), need("identifierType", aText),
	}},
	{name: "Image", typ: "Image", properties: []property{
		need("id", aText), may("caption", aText),
	}},
	{name: "Result", typ: "Result", properties: []property{
		may("achievedLevel", aText), mayNodes("alignment", "Alignment"), may("resultDescription", aText),
		may("status", aText), may("value", aText),
	}},
	{name: "ResultDescription", typ: "ResultDescription", properties: []property{
		need("id", aText), need("name", aText), need("resultType", aText), mayNodes("alignment", "Alignment"),
		{name: "allowedValue", form: aText, many: always}, may("requiredLevel", aText), may("requiredValue", aText),
		mayNodes("rubricCriterionLevel", "RubricCriterionLevel"), may("valueMax", aText), may("valueMin", aText),
	}},
	{name: "RubricCriterionLevel", typ: "RubricCriterionLevel", properties: []property{
		need("id", aText), need("name", aText), mayNodes("alignment", "Alignment"), may("description", aText),
		may("level", aText), may("points", aText),
	}},
	{name: "Related", typ: "Related", properties: []property{
		need("id", aText), may("version", aText),
	}},
	{name: "Profile", typ: "Profile", properties: []property{
		need("id", aText), {name: "name", form: aText, spoken: true}, may("url", aText), may("phone", aText),
		{name: "description", form: aText, spoken: true}, {name: "endorsementJwt", form: aText, many: always},
		mayNode("image", "Image"), may("email", aText), mayNode("address", "Address"),
		mayNodes("otherIdentifier", "IdentifierEntry"), may("official", aText), mayNode("parentOrg", "Profile"),
		may("familyName", aText), may("givenName", aText), may("additionalName", aText), may("patronymicName", aText),
		may("honorificPrefix", aText), may("honorificSuffix", aText), may("familyNamePrefix", aText),
		may("dateOfBirth", aText),
	}},
	{name: "Address", typ: "Address", properties: []property{
		may("addressCountry", aText), may("addressCountryCode", aText), may("addressRegion", aText),
		may("addressLocality", aText), may("streetAddress", aText), may("postOfficeBoxNumber", aText),
		may("postalCode", aText), mayNode("geo", "GeoCoordinates"),
	}},
	{name: "GeoCoordinates", typ: "GeoCoordinates", properties: []property{
		need("latitude", aNumber), need("longitude", aNumber),
	}},
	{name: "CredentialStatus", typed: true, properties: []property{
		need("id", aText),
	}},
	{name: "RefreshService", typed: true, properties: []property{
		need("id", aText),
	}},
	{name: "CredentialSchema", typed: true, properties: []property{
		need("id", aText),
	}},
	{name: "TermsOfUse", typed: true, properties: []property{
		may("id", aText),
	}},
}
